/** `nixfleet image HOST` */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { buildHost } from "../deploy/build.ts";
import { firstFiles } from "../deploy/first-files.ts";
import { imagesOf, makeCompressedImages, provideImages, refuseImages } from "../deploy/image.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { UserError } from "../errors.ts";
import { run } from "../local/process.ts";
import { requireRoot } from "../local/root.ts";
import { requireLoader } from "../plan/loader.ts";
import { print } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface ImageFlags {
  readonly format: string;
  readonly size?: readonly string[];
  readonly file?: readonly string[];
  /** By default `<host>.<format>` in the working folder. */
  readonly output?: string;
  readonly installer?: boolean;
}

export async function image(file: string, name: string, flags: ImageFlags): Promise<void> {
  const { format, output, installer = false } = flags;
  if (format !== "raw" && format !== "qcow2") {
    throw new UserError(`${format} is not an image format`, ["choose raw or qcow2"]);
  }
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  const images = imagesOf(plan, resolve(output ?? `${name}.${format}`), flags.size);
  const there = images.find((one) => existsSync(one.file));
  if (there !== undefined) {
    throw new UserError(`${there.file} exists`, ["remove it, or choose another file with --output FILE"]);
  }
  requireRoot("make an image", "it mounts filesystems and creates files that belong to root and to Debian's users");
  requireLoader(plan);
  refuseImages(images, installer);
  const first = await firstFiles(flags.file ?? [], plan);
  if (format === "qcow2") await run("qemu-img", ["--version"]); // whether it is there
  await withProgress(`Image of ${name}`, async (onProgress) => {
    const closure = await buildHost(plan, {
      fleetFolder: folder,
      definedAt: (option) => host.definedAt(option),
      onProgress,
    });
    const request = { plan, closure, images, installer, firstFiles: first, onProgress };
    await (format === "raw" ? provideImages(request) : makeCompressedImages(request));
  });
  print(images.map((one) => one.file).join("\n"));
}
