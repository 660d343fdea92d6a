/** A host on disk images: laid out as it declares, with its closure in the store. */
import { existsSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, parse } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { syncFilesystem } from "../closure/store/cache.ts";
import { diskFull } from "../closure/store/disk-full.ts";
import { partitionTableId } from "../disk/device.ts";
import {
  attachedImage,
  type DiskImage,
  makeImages,
  partialName,
  refuseAttached,
  refuseSmallImage,
} from "../disk/image.ts";
import { mountDisks, unmountDisks } from "../disk/run.ts";
import { UserError } from "../errors.ts";
import type { DiskLayout, PlacedDisk } from "../layout/gpt.ts";
import { parseSize } from "../layout/size.ts";
import { syncFolder } from "../local/durable-file.ts";
import { run } from "../local/process.ts";
import { mountFolder } from "../local/resources.ts";
import { installerParameters } from "../payload/host/generations.ts";
import type { HostPlan } from "../plan/host.ts";
import { type FirstFile, placeFirstFiles } from "./first-files.ts";
import { installHost } from "./generation.ts";

export interface ImageRequest {
  readonly plan: HostPlan;
  readonly closure: Closure;
  /** A file for each of the host's disks: see `imagesOf`. */
  readonly images: readonly DiskImage[];
  /** Whether a new image is to install the host onto another disk, rather than to be its disk. */
  readonly installer?: boolean;
  /** What is to be there at the first boot, of new images. */
  readonly firstFiles?: readonly FirstFile[];
  readonly onProgress?: (step: string) => void;
}

/**
 * The images of a host's disks: `myhost.raw`, or `myhost-NAME.raw` for each of several.
 * @param sizes a size for all, such as `8G`, or NAME=SIZE for one
 * @throws UserError for a host without disks, or a size that is none
 */
export function imagesOf({ hostName, disk }: HostPlan, file: string, sizes: readonly string[] = []): DiskImage[] {
  const [layout, second] = disk.disks;
  if (layout === undefined) throw new UserError(`${hostName} has no disk to make an image of`);
  if (second === undefined) return [{ layout, file, size: sizeFor(layout, sizes, disk.disks) }];
  const { dir, name, ext } = parse(file);
  return disk.disks.map((one) => ({
    layout: one,
    file: join(dir, `${name}-${one.name}${ext}`),
    size: sizeFor(one, sizes, disk.disks),
  }));
}

function sizeFor({ name }: DiskLayout, sizes: readonly string[], disks: readonly DiskLayout[]): number {
  const named = sizes.map((text) => /^(.*)=([^=]*)$/.exec(text)?.slice(1) ?? ["", text]);
  const stranger = named.find(([disk]) => disk !== "" && !disks.some((one) => one.name === disk));
  if (stranger !== undefined) {
    throw new UserError(`--size ${stranger.join("=")} names no disk of the host`, [
      `it has ${disks.map((one) => one.name).join(", ")}`,
    ]);
  }
  const [, size = "8G"] = named.findLast(([disk]) => disk === name) ?? named.findLast(([disk]) => disk === "") ?? [];
  return parseSize(size);
}

/** Makes the images where there are none, else adds the closure to their store; what persists there stays. */
export async function provideImages(request: ImageRequest): Promise<void> {
  const { plan, closure, images, installer = false, firstFiles = [], onProgress } = request;
  const there = images.filter(({ file }) => existsSync(file));
  if (there.length === 0) {
    return makeImages(images, async (mountedAt, mounted) => {
      const [{ device } = { device: "" }] = mounted.disks;
      const kernelParameters = installer ? installerParameters(await partitionTableId(device)) : [];
      await installHost(plan, closure, { mountedAt, ...mounted, kernelParameters }, onProgress);
      await placeFirstFiles(firstFiles, plan, closure, mountedAt);
    });
  }
  if (there.length < images.length) {
    throw new UserError(`only some of the host's disks are there: ${there.map(({ file }) => file).join(", ")}`, [
      "an interrupted run left them: remove them, and run this again",
    ]);
  }
  for (const { file } of images) await refuseAttached(file);
  await using folder = await mountFolder();
  await using attached = new AsyncDisposableStack();
  const disks: PlacedDisk[] = [];
  for (const { layout, file } of images) {
    disks.push({ layout, device: attached.use(await attachedImage(file)).device });
  }
  try {
    const { skipped } = await mountDisks(disks, folder.path);
    await installHost(plan, closure, { mountedAt: folder.path, disks, skipped }, onProgress);
  } finally {
    await unmountDisks(disks, folder.path);
  }
}

/** New images in QEMU's own format, compressed. They take their names when they are whole. */
export async function makeCompressedImages(request: ImageRequest): Promise<void> {
  const { images, onProgress = () => {} } = request;
  const all = images.map((image) => {
    const partial = partialName(image.file);
    return { ...image, partial, raw: `${partial}.raw` };
  });
  const removeAll = async () => {
    for (const path of all.flatMap(({ raw, partial }) => [raw, partial])) await rm(path, { force: true });
  };
  await removeAll(); // what a killed run has left
  await using _ = { [Symbol.asyncDispose]: removeAll };
  await provideImages({ ...request, images: all.map((image) => ({ ...image, file: image.raw })) });
  onProgress("converting to qcow2");
  for (const { raw, partial } of all) {
    await writeFile(partial, "", { mode: 0o600 }); // qemu-img leaves it so
    await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-c", raw, partial]).catch((error: unknown) => {
      throw diskFull(error, "make it on a disk with more space, with --output FILE") ?? error;
    });
    await rm(raw);
    await syncFilesystem(partial);
  }
  for (const { file, partial } of all) await rename(partial, file);
  for (const { file } of all) await syncFolder(dirname(file));
}

/** Says what would be said when the closure is built: that takes minutes. @throws UserError for images that cannot be */
export function refuseImages(images: readonly DiskImage[], installer = false): void {
  for (const image of images) refuseSmallImage(image);
  if (!installer || images.length === 1) return;
  throw new UserError(`the host has ${images.length} disks, and a stick installs a host with one`, [
    "install it from this machine: nixfleet install HOST --device NAME=DEVICE …",
  ]);
}
