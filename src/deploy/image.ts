/** A host on a disk image: laid out as it declares, with its closure in the store. */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFilesystem, syncFolder } from "../closure/cache.ts";
import type { Closure } from "../closure/closure.ts";
import { diskFull } from "../closure/disk-full.ts";
import { partitionTableId } from "../disk/device.ts";
import { attachedImage, makeImage, partialName, refuseAttached, refuseSmallImage } from "../disk/image.ts";
import { mountDisk, unmountDisk } from "../disk/run.ts";
import { installerParameters } from "../host/generations.ts";
import { run } from "../machine/process.ts";
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
  /** Whether a new image is to install the host onto another disk, rather than to be its disk. */
  readonly installer?: boolean;
  readonly onProgress?: (step: string) => void;
}

/** Makes the image where there is none, else adds the closure to its store; what persists there stays. */
export async function provideImage({
  plan,
  closure,
  file,
  size,
  installer = false,
  onProgress,
}: ImageRequest): Promise<void> {
  const layout = theOnlyDisk(plan);
  if (!existsSync(file)) {
    return makeImage(layout, file, size, async (mountedAt, disk) => {
      const kernelParameters = installer ? installerParameters(await partitionTableId(disk.device)) : [];
      await installHost(plan, closure, { mountedAt, layout, kernelParameters, ...disk }, onProgress);
    });
  }
  await refuseAttached(file);
  await using folder = await mountFolder();
  await using loop = await attachedImage(file);
  try {
    const { skipped } = await mountDisk(layout, loop.device, folder.path);
    await installHost(plan, closure, { mountedAt: folder.path, device: loop.device, layout, skipped }, onProgress);
  } finally {
    await unmountDisk(layout, loop.device, folder.path);
  }
}

/** A new image in QEMU's own format, compressed. It takes its name when it is whole. */
export async function makeCompressedImage(request: ImageRequest): Promise<void> {
  const { file, onProgress = () => {} } = request;
  const partial = partialName(file);
  const raw = `${partial}.raw`;
  const removeBoth = async () => {
    for (const path of [raw, partial]) await rm(path, { force: true });
  };
  await removeBoth(); // what a killed run has left
  await using _ = { [Symbol.asyncDispose]: removeBoth };
  await provideImage({ ...request, file: raw });
  onProgress("converting it to qcow2");
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-c", raw, partial]).catch((error: unknown) => {
    throw diskFull(error, "make it on a disk with more room, with --output FILE") ?? error;
  });
  await syncFilesystem(partial);
  await rename(partial, file);
  await syncFolder(dirname(file));
}

/** Says what would be said when the closure is built: that takes minutes. @throws UserError for an image that cannot be */
export function refuseImage(plan: HostPlan, file: string, size: number): void {
  refuseSmallImage(theOnlyDisk(plan), file, size);
}

function theOnlyDisk({ hostName, disk }: HostPlan): DiskLayout {
  const [layout, second] = disk.disks;
  if (layout === undefined || second !== undefined) {
    throw new UserError(`${hostName} has ${disk.disks.length} disks, and an image is made of a host with one`);
  }
  return layout;
}
