/** Disk images: files that are whole or not there. */
import { existsSync } from "node:fs";
import { mkdir, open, realpath, rename, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import type { DiskLayout, PlacedDisk } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import { interruption } from "../local/interruption.ts";
import { quoted, run } from "../local/process.ts";
import { loopDevice, mountFolder } from "../local/resources.ts";
import { requiredBytes } from "../plan/layout-problems.ts";
import { wantedMounts } from "./mounts.ts";
import { type DiskProgress, formatDisks, mountDisks } from "./run.ts";

export interface ImageOptions extends DiskProgress {
  /** The image that may be replaced, by any of its names. */
  readonly wipe?: readonly string[];
}

/** A disk that is a file. */
export interface DiskImage {
  readonly layout: DiskLayout;
  readonly file: string;
  /** In bytes, of a new one. */
  readonly size: number;
}

/**
 * Writes to new images, which are mounted below the folder.
 * @param disks their devices, in their order, and the mountpoints of filesystems that this kernel cannot mount
 */
export type FillImages = (
  mountedAt: string,
  disks: { readonly disks: readonly PlacedDisk[]; readonly skipped: readonly string[] },
) => Promise<void>;

/**
 * Makes a host's disks as images: formats them, mounts everything below a temporary folder, lets `fill` write there, and unmounts
 * it. Without `fill` they are only formatted. The files take their names only when all of that is done; after a failure nothing of
 * them is left. What is not written takes no room (sparse files).
 * @throws UserError when a file exists and `wipe` does not name it, when one is too small, or when its disk is full
 */
export async function makeImages(
  images: readonly DiskImage[],
  fill?: FillImages,
  options: ImageOptions = {},
): Promise<void> {
  for (const image of images) refuseSmallImage(image);
  for (const { file } of images) await refuseExisting(file, options.wipe ?? []);
  const partials = images.map((image) => ({ ...image, file: partialName(image.file) }));
  for (const { file } of partials) await removeLeftover(file);
  try {
    for (const { file, size } of partials) await makeEmpty(file, size);
    await fillImages(partials, fill, options);
    for (const { file } of partials) await flush(file);
    interruption.throwIfAborted();
    for (const { file } of images) await rename(partialName(file), file);
  } catch (error) {
    const files = partials.map(({ file }) => file);
    const full = (await Promise.all(files.map((file) => isFull(dirname(file))))).includes(true); // before the removal makes room again
    for (const file of files) await rm(file, { force: true });
    if (!full || interruption.aborted) throw error;
    throw new UserError(`no space left for ${images.map(({ file }) => file).join(" and ")}`, [
      "the incomplete image was removed; make it on a disk with more space",
      ...(error instanceof Error ? [error.message] : []),
    ]);
  }
}

/** @throws UserError when an image of that size, in bytes, has no room for the layout */
export function refuseSmallImage({ layout, file, size }: DiskImage): void {
  const needed = requiredBytes(layout);
  if (size >= needed) return;
  throw new UserError(`${formatSize(size)} is too small for ${file}`, [
    `the layout ${layout.name} needs ${formatSize(needed)}; set it with --size`,
  ]);
}

/** The name of an image until it is whole. */
export function partialName(file: string): string {
  return `${file}.partial`;
}

/**
 * Attaches an image until the end of the scope. When it is mounted by then, it stays attached until it is unmounted.
 * @throws UserError when there is no such file
 */
export async function attachedImage(file: string): Promise<AsyncDisposable & { readonly device: string }> {
  if (!existsSync(file)) throw new UserError(`there is no image ${file}`, ["make it with --mode format"]);
  return loopDevice(file);
}

/** The loop devices to which an image is attached now. */
export async function devicesOfImage(file: string): Promise<readonly string[]> {
  if (!existsSync(file)) return [];
  const stdout = await run("losetup", ["--json", "--list", "--output", "NAME", "--associated", await realpath(file)]);
  if (stdout.trim() === "") return [];
  const { loopdevices } = JSON.parse(stdout) as { readonly loopdevices: readonly { readonly name: string }[] };
  return loopdevices.map(({ name }) => name);
}

async function fillImages(
  partials: readonly DiskImage[],
  fill: FillImages | undefined,
  progress: DiskProgress,
): Promise<void> {
  await using attached = new AsyncDisposableStack();
  const disks: PlacedDisk[] = [];
  for (const { layout, file } of partials) disks.push({ layout, device: attached.use(await loopDevice(file)).device });
  await formatDisks(disks, { ...progress, wipe: [] });
  if (fill === undefined) return;
  await using folder = await mountFolder();
  await using mounted = await mountDisks(disks, folder.path, progress);
  await fill(folder.path, { disks, skipped: mounted.skipped });
  // Unmounting does not report what could not be written.
  for (const { target } of wantedMounts(disks, "/")) {
    if (!mounted.skipped.includes(target)) await run("sync", ["--file-system", "--", join(folder.path, target)]);
  }
}

/** @throws UserError when the image is attached to a loop device, and so perhaps mounted */
export async function refuseAttached(file: string): Promise<void> {
  const devices = await devicesOfImage(file);
  if (devices.length === 0) return;
  throw new UserError(`${file} is in use`, [
    `it is attached to ${devices.join(" and ")}; unmount it, or detach it: losetup --detach ${devices.join(" ")}`,
  ]);
}

async function refuseExisting(file: string, wipe: readonly string[]): Promise<void> {
  if (!existsSync(file)) return;
  await refuseAttached(file);
  const path = await realpath(file);
  const named = await Promise.all(wipe.map((name) => realpath(name).catch(() => null)));
  const mayReplace = named.includes(path);
  if (!mayReplace) throw new UserError(`${file} exists`, [`to replace it, add: --wipe ${quoted(file)}`]);
}

async function makeEmpty(file: string, size: number): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "", { flag: "wx", mode: 0o600 }); // it may come to hold what a host persists
    await truncate(file, size);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UserError(`cannot create ${file}`, [error.message]);
  }
}

/** What a killed run has left; never what one that still runs is making. */
async function removeLeftover(partial: string): Promise<void> {
  const devices = await devicesOfImage(partial);
  if (devices.length > 0) {
    const mounts = await run("lsblk", ["--noheadings", "--list", "--output", "MOUNTPOINTS", ...devices]);
    const folders = mounts.split("\n").filter((line) => line.startsWith("/"));
    throw new UserError(`${partial} is in use`, [
      "another run is making this image. If there is none, a killed run left it attached; detach it:",
      ...folders.toSorted((a, b) => b.length - a.length).map((folder) => `umount ${quoted(folder)}`),
      `losetup --detach ${devices.join(" ")}`,
    ]);
  }
  await rm(partial, { force: true });
}

/** So that a crash of this machine after the renaming does not leave an image with holes. */
async function flush(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function isFull(folder: string): Promise<boolean> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return blocks > 0 && bavail * bsize < 1024 ** 2;
}
