/** Formats, mounts and unmounts disks, for real. */
import { existsSync } from "node:fs";
import { mkdir, readFile, realpath } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { DiskCommand, Mount } from "../layout/content-type.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { never } from "../machine/interruption.ts";
import { type RunOptions, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { type DiskMode, type DiskSurroundings, diskCommands } from "./commands.ts";
import { type BlockDevice, inspectDevice, openMappings } from "./device.ts";
import { isFormatted } from "./formatted.ts";
import { wantedMounts } from "./mounts.ts";
import { checkKeys, passphraseIn } from "./passphrase.ts";
import { formattableDevice } from "./target.ts";

export interface DiskProgress {
  /** Called before each command. */
  readonly onCommand?: (command: DiskCommand) => void;
  /** Called with what the user should know. */
  readonly onNote?: (line: string) => void;
}

export interface FormatOptions extends DiskProgress {
  /** The device that may lose what it holds, by any of its names. */
  readonly wipe?: string | null;
}

export interface MountedDisk extends AsyncDisposable {
  /** The mountpoints, as the host sees them, of filesystems that this kernel cannot mount: `/boot` where it has no vfat. */
  readonly skipped: readonly string[];
}

/**
 * Partitions and formats a device, and returns what it was before. Nothing is written before every check has passed. One
 * that is formatted like this already stays as it is, unless `wipe` names it.
 * @throws UserError when the device is missing, in use, too small, or holds data and is not the one that `wipe` names
 */
export async function formatDisk(
  layout: DiskLayout,
  device: string,
  { wipe = null, onCommand, onNote }: FormatOptions = {},
): Promise<BlockDevice> {
  if (wipe === null && (await isFormatted(layout, await devicePath(device)))) {
    onNote?.(`${device} is formatted like this already`);
    return inspectDevice(device);
  }
  const found = await formattableDevice(layout, device, wipe);
  const surroundings = await diskSurroundings(found.path);
  await checkKeys(layout, surroundings.tpm);
  await using _ = closedAtEnd(surroundings.scratch);
  await runAll(diskCommands(layout, found.path, ["format"], surroundings), onCommand);
  return found;
}

/**
 * Mounts everything that a layout mounts, below the folder `under`, the root first; what is mounted already stays.
 * At the end of the scope all of it is unmounted; whoever wants it to stay does not dispose of it.
 * @throws UserError when something else is mounted there; then nothing is left mounted by this call
 */
export async function mountDisk(
  layout: DiskLayout,
  device: string,
  under: string,
  { onCommand, onNote }: DiskProgress = {},
): Promise<MountedDisk> {
  const path = await devicePath(device);
  await mkdir(under, { recursive: true });
  const surroundings = await diskSurroundings(path, under);
  try {
    await runAll(diskCommands(layout, path, ["mount"], surroundings), onCommand);
  } catch (error) {
    await unmountDisk(layout, path, under);
    throw error;
  }
  const skipped = wantedMounts(layout, path, "/").filter(({ fsType }) => surroundings.unsupported.includes(fsType));
  for (const { target, fsType } of skipped) onNote?.(`${target} is not mounted: this kernel does not know ${fsType}`);
  return {
    skipped: skipped.map(({ target }) => target),
    [Symbol.asyncDispose]: () => unmountDisk(layout, path, under),
  };
}

/**
 * Writes everything out and unmounts it, the root last; what is not mounted is no error.
 * @throws UserError when something could not be written, or is in use
 */
export async function unmountDisk(
  layout: DiskLayout,
  device: string,
  under: string,
  { onCommand }: DiskProgress = {},
): Promise<void> {
  const path = await devicePath(device);
  const commands = diskCommands(layout, path, ["unmount"], await diskSurroundings(path, under));
  await runAll(commands, onCommand, never);
}

/** What the commands depend on, on this machine, now. */
export async function diskSurroundings(device: string, under = "/mnt"): Promise<DiskSurroundings> {
  const folder = resolve(under);
  if (folder === "/") throw new UserError("a disk is not mounted on / of the running machine", ["name a folder: /mnt"]);
  return {
    under: await realpath(folder).catch(() => folder),
    scratch: `/run/nixfleet/format-${basename(device)}`,
    udev: existsSync("/run/udev/control"),
    unsupported: await unsupportedFilesystems(),
    mounts: await currentMounts(),
    mappings: await openMappings(),
    // The machine that an image is for is another.
    tpm: !basename(device).startsWith("loop"),
  };
}

/** The commands that the modes would run on this machine now: what `--dry-run` shows. */
export async function plannedCommands(
  layout: DiskLayout,
  device: string,
  modes: readonly DiskMode[],
  under: string,
): Promise<readonly DiskCommand[]> {
  const path = await devicePath(device);
  return diskCommands(layout, path, modes, await diskSurroundings(path, under));
}

/** Of the types that a layout may have. The kernels of small virtual machines often lack vfat. */
async function unsupportedFilesystems(): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const fsType of ["btrfs", "ext4", "vfat"]) {
    const known = async () => new RegExp(`\\b${fsType}$`, "m").test(await readFile("/proc/filesystems", "utf8"));
    if (await known()) continue;
    await run("modprobe", ["--quiet", fsType], { signal: never }).catch(() => {}); // no such module, or no modprobe
    if (!(await known())) missing.push(fsType);
  }
  return missing;
}

async function currentMounts(): Promise<readonly Mount[]> {
  const stdout = await run("findmnt", ["--json", "--list", "--nofsroot", "--output", "TARGET,SOURCE,FSROOT"], {
    signal: never,
  });
  const { filesystems } = JSON.parse(stdout) as {
    readonly filesystems: readonly { readonly target: string; readonly source: string; readonly fsroot: string }[];
  };
  return filesystems.map(({ target, source, fsroot }) => ({ target, source, fsRoot: fsroot }));
}

/** Mounts are listed by a device's own name, so that is the one to use everywhere. */
async function devicePath(device: string): Promise<string> {
  return realpath(device).catch(() => device);
}

async function runAll(
  commands: readonly DiskCommand[],
  onCommand: DiskProgress["onCommand"],
  signal?: AbortSignal,
): Promise<void> {
  for (const command of commands) {
    onCommand?.(command);
    const { program, args, input, passphrase } = command;
    await run(program, args, {
      ...(input === undefined ? {} : { input }),
      ...(passphrase === undefined ? {} : await passphraseOptions(passphrase)),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}

async function passphraseOptions({ file, as }: NonNullable<DiskCommand["passphrase"]>): Promise<RunOptions> {
  const passphrase = await passphraseIn(file);
  return as === "stdin" ? { input: passphrase } : { env: { PASSWORD: passphrase } };
}

/** The scratch mount of a format that was interrupted half-way. */
function closedAtEnd(scratch: string): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      if (!existsSync(scratch)) return;
      if ((await currentMounts()).some((mount) => mount.target === scratch))
        await run("umount", ["--", scratch], { signal: never });
      await run("rmdir", ["--", scratch], { signal: never });
    },
  };
}
