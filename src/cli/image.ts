/** `nixfleet image HOST` */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { buildHost } from "../deploy/build.ts";
import { provideImage } from "../deploy/image.ts";
import { parseSize } from "../layout/size.ts";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print } from "./output.ts";
import { withProgress } from "./progress.ts";
import { requireRoot } from "./root.ts";

export interface ImageFlags {
  readonly format: string;
  readonly size: string;
  /** By default `<host>.<format>` in the working folder. */
  readonly output?: string;
}

export async function image(file: string, name: string, { format, size, output }: ImageFlags): Promise<void> {
  if (format !== "raw" && format !== "qcow2") {
    throw new UserError(`${format} is not a format of images`, ["wanted raw or qcow2"]);
  }
  const target = resolve(output ?? `${name}.${format}`);
  if (existsSync(target)) throw new UserError(`${target} exists`, ["remove it, or name another with --output FILE"]);
  requireRoot(
    "make an image",
    "its files belong to root and to Debian's users, and its filesystems are mounted to be filled",
  );
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  await withProgress(`Image of ${name}`, async (onProgress) => {
    const closure = await buildHost(plan, { fleetFolder: folder, onProgress });
    if (format === "raw") return provideImage({ plan, closure, file: target, size: parseSize(size), onProgress });
    const raw = `${target}.raw`;
    const partial = `${target}.partial`;
    await rm(raw, { force: true });
    try {
      await provideImage({ plan, closure, file: raw, size: parseSize(size), onProgress });
      onProgress("converting it to qcow2");
      await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-c", raw, partial]);
      await rename(partial, target);
    } finally {
      for (const left of [raw, partial]) await rm(left, { force: true });
    }
  });
  print(target);
}
