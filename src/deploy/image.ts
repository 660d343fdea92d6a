/** A host on a disk image: laid out as it declares, with its closure in the store. */
import { existsSync } from "node:fs";
import type { Closure } from "../closure/closure.ts";
import { attachedImage, makeImage } from "../disk/image.ts";
import { mountDisk, unmountDisk } from "../disk/run.ts";
import { mountFolder } from "../machine/resources.ts";
import { UserError } from "../modules/errors.ts";
import type { DiskLayout } from "../plan/disk.ts";
import type { HostPlan } from "../plan/host.ts";
import { installHost } from "./generation.ts";

export interface ImageRequest {
  readonly plan: HostPlan;
  readonly closure: Closure;
  readonly file: string;
  /** In bytes, of a new image. */
  readonly size: number;
  readonly onProgress?: (step: string) => void;
}

/** Makes the image where there is none, else adds the closure to its store; what persists there stays. */
export async function provideImage({ plan, closure, file, size, onProgress }: ImageRequest): Promise<void> {
  const layout = theOnlyDisk(plan);
  if (!existsSync(file)) {
    return makeImage(layout, file, size, (mountedAt, disk) =>
      installHost(plan, closure, { mountedAt, layout, ...disk }, onProgress),
    );
  }
  await using folder = await mountFolder();
  await using loop = await attachedImage(file);
  try {
    const { skipped } = await mountDisk(layout, loop.device, folder.path);
    await installHost(plan, closure, { mountedAt: folder.path, device: loop.device, layout, skipped }, onProgress);
  } finally {
    await unmountDisk(layout, loop.device, folder.path);
  }
}

function theOnlyDisk({ hostName, disk }: HostPlan): DiskLayout {
  const [layout, second] = disk.disks;
  if (layout === undefined || second !== undefined) {
    throw new UserError(`${hostName} has ${disk.disks.length} disks, and a virtual machine is made with one`);
  }
  return layout;
}
