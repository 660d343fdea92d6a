/** `nixfleet image HOST` */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { buildHost } from "../deploy/build.ts";
import { makeCompressedImage, provideImage, refuseImage } from "../deploy/image.ts";
import { parseSize } from "../layout/size.ts";
import { run } from "../machine/process.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import { requireLoader } from "../plan/loader.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface ImageFlags {
  readonly format: string;
  readonly size: string;
  /** By default `<host>.<format>` in the working folder. */
  readonly output?: string;
  readonly installer?: boolean;
}

export async function image(file: string, name: string, flags: ImageFlags): Promise<void> {
  const { format, output, installer = false } = flags;
  const size = parseSize(flags.size);
  if (format !== "raw" && format !== "qcow2") {
    throw new UserError(`${format} is not a format of images`, ["wanted raw or qcow2"]);
  }
  const target = resolve(output ?? `${name}.${format}`);
  if (existsSync(target)) throw new UserError(`${target} exists`, ["remove it, or name another with --output FILE"]);
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  requireRoot(
    "make an image",
    "its files belong to root and to Debian's users, and its filesystems are mounted to be filled",
  );
  requireLoader(plan);
  refuseImage(plan, target, size);
  if (format === "qcow2") await run("qemu-img", ["--version"]); // whether it is there
  await withProgress(`Image of ${name}`, async (onProgress) => {
    const closure = await buildHost(plan, { fleetFolder: folder, onProgress });
    const request = { plan, closure, file: target, size, installer, onProgress };
    await (format === "raw" ? provideImage(request) : makeCompressedImage(request));
  });
  print(target);
}
