/** Disk images: a file that is whole or not there. */
import { existsSync } from "node:fs";
import { mkdir, open, realpath, rename, rm, statfs, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DiskLayout } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import { quoted, run } from "../machine/process.ts";
import { loopDevice, mountFolder } from "../machine/resources.ts";
import { UserError } from "../modules/errors.ts";
import { requiredBytes } from "../plan/disk-problems.ts";
import { wantedMounts } from "./mounts.ts";
import { type DiskProgress, formatDisk, mountDisk } from "./run.ts";

export interface ImageOptions extends DiskProgress {
  /** The image that may be replaced, by any of its names. */
  readonly wipe?: string | null;
}

/**
 * Writes to a new image, which is mounted below the folder.
 * @param disk its device, and the mountpoints of filesystems that this kernel cannot mount
 */
export type FillImage = (
  mountedAt: string,
  disk: { readonly device: string; readonly skipped: readonly string[] },
) => Promise<void>;

/**
 * Makes a disk image: formats it, mounts everything below a temporary folder, lets `fill` write there, and unmounts it.
 * Without `fill` it is only formatted. The file takes its name only when all of that is done; after a failure nothing of it is left.
 * @param size in bytes; what is not written takes no room (a sparse file)
 * @throws UserError when the file exists and `wipe` does not name it, when it is too small, or when its disk is full
 */
export async function makeImage(
  layout: DiskLayout,
  file: string,
  size: number,
  fill?: FillImage,
  options: ImageOptions = {},
): Promise<void> {
  refuseSmallImage(layout, file, size);
  await refuseExisting(file, options.wipe ?? null);
  const partial = partialName(file);
  await removeLeftover(partial);
  await makeEmpty(partial, size);
  try {
    await fillImage(layout, partial, fill, options);
    await flush(partial);
    await rename(partial, file);
  } catch (error) {
    const full = await isFull(dirname(file)); // before the removal makes room again
    await rm(partial, { force: true });
    if (!full) throw error;
    throw new UserError(`no space is left for ${file}`, [
      "the half-made image was removed: make it on a disk with more room",
      ...(error instanceof Error ? [error.message] : []),
    ]);
  }
}

/** @throws UserError when an image of that size, in bytes, has no room for the layout */
export function refuseSmallImage(layout: DiskLayout, file: string, size: number): void {
  const needed = requiredBytes(layout);
  if (size >= needed) return;
  throw new UserError(`${formatSize(size)} is too small for ${file}`, [
    `the layout ${layout.name} needs ${formatSize(needed)}; say so with --size`,
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

async function fillImage(
  layout: DiskLayout,
  partial: string,
  fill: FillImage | undefined,
  progress: DiskProgress,
): Promise<void> {
  await using loop = await loopDevice(partial);
  await formatDisk(layout, loop.device, { ...progress, wipe: null });
  if (fill === undefined) return;
  await using folder = await mountFolder();
  await using mounted = await mountDisk(layout, loop.device, folder.path, progress);
  await fill(folder.path, { device: loop.device, skipped: mounted.skipped });
  // Unmounting does not report what could not be written.
  for (const { target } of wantedMounts(layout, loop.device, "/")) {
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

async function refuseExisting(file: string, wipe: string | null): Promise<void> {
  if (!existsSync(file)) return;
  await refuseAttached(file);
  const mayReplace = wipe !== null && existsSync(wipe) && (await realpath(wipe)) === (await realpath(file));
  if (!mayReplace) throw new UserError(`${file} exists`, [`to replace it, add: --wipe ${quoted(file)}`]);
}

async function makeEmpty(file: string, size: number): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, "", { flag: "wx" });
    await truncate(file, size);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UserError(`${file} cannot be made`, [error.message]);
  }
}

/** What a killed run has left; never what one that still runs is making. */
async function removeLeftover(partial: string): Promise<void> {
  const devices = await devicesOfImage(partial);
  if (devices.length > 0) {
    const mounts = await run("lsblk", ["--noheadings", "--list", "--output", "MOUNTPOINTS", ...devices]);
    const folders = mounts.split("\n").filter((line) => line.startsWith("/"));
    throw new UserError(`${partial} is in use`, [
      "another run is making this image; if none is, a killed one has left it attached:",
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
