/** Formats, mounts and unmounts disks, for real. */
import { existsSync } from "node:fs";
import { mkdir, readFile, realpath } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { layers } from "../layout/content.ts";
import type { DiskCommand, Mount, Passphrase } from "../layout/content-type.ts";
import type { PlacedDisk } from "../layout/gpt.ts";
import { never } from "../local/interruption.ts";
import { type RunOptions, run } from "../local/process.ts";
import { typedPassphrase } from "./ask.ts";
import { type DiskMode, type DiskSurroundings, diskCommands } from "./commands.ts";
import { arrayNames, openMappings, volumeGroups } from "./device.ts";
import { isFormatted } from "./formatted.ts";
import { sharingDisks, wantedMounts } from "./mounts.ts";
import { refuseUnable } from "./needs.ts";
import { checkKeys, passphraseIn } from "./passphrase.ts";
import { formattableDevice, isSameDevice } from "./target.ts";

export interface DiskProgress {
  /** Called before each command. */
  readonly onCommand?: (command: DiskCommand) => void;
  /** Called with what the user should know. */
  readonly onNote?: (line: string) => void;
}

export interface FormatOptions extends DiskProgress {
  /** The devices that may lose what they hold, by any of their names. */
  readonly wipe?: readonly string[];
}

export interface MountedDisks extends AsyncDisposable {
  /** The mountpoints, as the host sees them, of filesystems that this kernel cannot mount: `/boot` where it has no vfat. */
  readonly skipped: readonly string[];
}

/**
 * Partitions and formats disks. Nothing is written before every check has passed. One that is formatted like this already
 * stays as it is, with those that share a filesystem with it, unless `wipe` names one of them.
 * @throws UserError when a device is missing, in use, too small, or holds data and is none of those that `wipe` names
 */
export async function formatDisks(
  disks: readonly PlacedDisk[],
  { wipe = [], onCommand, onNote }: FormatOptions = {},
): Promise<void> {
  const due = await disksToFormat(disks, wipe, onNote);
  if (due.length === 0) return;
  const surroundings = await diskSurroundings(due);
  await refuseUnable(due.map(({ layout }) => layout));
  await refuseForeignGroups(due);
  for (const { layout } of due) await checkKeys(layout, surroundings.tpm);
  await using _ = closedAtEnd(surroundings.scratch);
  await runAll(diskCommands(due, ["format"], surroundings), onCommand);
}

/** Those that are not formatted like this yet, by their devices' own names. @throws UserError as `formatDisks` does */
export async function disksToFormat(
  disks: readonly PlacedDisk[],
  wipe: readonly string[],
  onNote: FormatOptions["onNote"],
): Promise<readonly PlacedDisk[]> {
  const named = await Promise.all(
    wipe.map((name) => Promise.all(disks.map(({ device }) => isSameDevice(name, device)))),
  );
  const stranger = wipe[named.findIndex((matches) => !matches.includes(true))];
  if (stranger !== undefined) {
    throw new UserError(`--wipe names another device: ${stranger}`, [
      `to be formatted: ${disks.map(({ device }) => device).join(" and ")}`,
    ]);
  }
  const mayWipe = (disk: PlacedDisk) => named.some((matches) => matches[disks.indexOf(disk)] === true);
  const due: PlacedDisk[] = [];
  for (const group of sharingDisks(disks)) {
    if (!group.some(mayWipe) && (await areFormatted(group))) {
      for (const { device } of group) onNote?.(`${device} already has this layout`);
      continue;
    }
    for (const disk of group) {
      const { path } = await formattableDevice(disk.layout, disk.device, mayWipe(disk));
      due.push({ layout: disk.layout, device: path });
    }
  }
  return due;
}

/** LVM makes no second volume group of a name, and says so when the disks are erased already. */
async function refuseForeignGroups(due: readonly PlacedDisk[]): Promise<void> {
  const contents = due.flatMap(({ layout }) => layout.partitions.flatMap(({ content }) => layers(content)));
  const wanted = contents.flatMap((content) => (content.kind === "group" ? [content.name] : []));
  if (wanted.length === 0) return;
  const foreign = (await volumeGroups()).find(
    ({ device, group }) => wanted.includes(group) && !due.some((disk) => device.startsWith(disk.device)),
  );
  if (foreign === undefined) return;
  throw new UserError(`${foreign.device} already has a volume group ${foreign.group}`, [
    `a machine cannot have two of one name: rename the other with vgrename ${foreign.group} NAME, or unplug its disk`,
  ]);
}

async function areFormatted(disks: readonly PlacedDisk[]): Promise<boolean> {
  for (const { layout, device } of disks) if (!(await isFormatted(layout, await devicePath(device)))) return false;
  return true;
}

/**
 * Mounts everything that disks mount, below the folder `under`, the root first; what is mounted already stays.
 * At the end of the scope all of it is unmounted; whoever wants it to stay does not dispose of it.
 * @throws UserError when something else is mounted there; then nothing is left mounted by this call
 */
export async function mountDisks(
  given: readonly PlacedDisk[],
  under: string,
  { onCommand, onNote }: DiskProgress = {},
): Promise<MountedDisks> {
  const disks = await byPath(given);
  await mkdir(under, { recursive: true });
  const surroundings = await diskSurroundings(disks, under);
  refuseUnknown(disks, surroundings);
  try {
    await runAll(diskCommands(disks, ["mount"], surroundings), onCommand);
  } catch (error) {
    await unmountDisks(disks, under);
    throw error;
  }
  const skipped = wantedMounts(disks, "/").filter(({ fsType }) => surroundings.unsupported.includes(fsType));
  for (const { target, fsType } of skipped)
    onNote?.(`${target} is not mounted: this kernel does not support ${fsType}`);
  return {
    skipped: skipped.map(({ target }) => target),
    [Symbol.asyncDispose]: () => unmountDisks(disks, under),
  };
}

/**
 * Writes everything out and unmounts it, the root last; what is not mounted is no error.
 * @throws UserError when something could not be written, or is in use
 */
export async function unmountDisks(
  given: readonly PlacedDisk[],
  under: string,
  { onCommand }: DiskProgress = {},
): Promise<void> {
  const disks = await byPath(given);
  await runAll(diskCommands(disks, ["unmount"], await diskSurroundings(disks, under)), onCommand, never);
}

/** What the commands depend on, on this machine, now. */
export async function diskSurroundings(disks: readonly PlacedDisk[], under = "/mnt"): Promise<DiskSurroundings> {
  const folder = resolve(under);
  if (folder === "/")
    throw new UserError("cannot mount a disk on / of the running machine", ["choose a folder such as /mnt"]);
  return {
    under: await realpath(folder).catch(() => folder),
    scratch: scratchOf(disks),
    udev: existsSync("/run/udev/control"),
    unsupported: await unsupportedFilesystems(disks),
    mounts: await currentMounts(),
    mappings: await openMappings(),
    // The machine that an image is for is another.
    tpm: disks.every(({ device }) => !basename(device).startsWith("loop")),
  };
}

/** Where what is being formatted is mounted for a moment. */
export function scratchOf(disks: readonly PlacedDisk[]): string {
  return `/run/nixfleet/format-${disks.map(({ device }) => basename(device)).join("-")}`;
}

/** What is copied to a filesystem that is not mounted lands beside it. Only an ESP is written to otherwise. */
function refuseUnknown(disks: readonly PlacedDisk[], { unsupported }: DiskSurroundings): void {
  const unknown = wantedMounts(disks, "/").find(({ fsType }) => fsType !== "vfat" && unsupported.includes(fsType));
  if (unknown === undefined) return;
  throw new UserError(
    `this machine's kernel does not support ${unknown.fsType}, so it cannot mount ${unknown.target}`,
    [`use a machine whose kernel does; to check: grep ${unknown.fsType} /proc/filesystems`],
  );
}

/** The commands that the modes would run on this machine now: what `--dry-run` shows. */
export async function plannedCommands(
  given: readonly PlacedDisk[],
  modes: readonly DiskMode[],
  under: string,
): Promise<readonly DiskCommand[]> {
  const disks = await byPath(given);
  return diskCommands(disks, modes, await diskSurroundings(disks, under));
}

/** The kernels of small virtual machines often lack vfat. */
async function unsupportedFilesystems(disks: readonly PlacedDisk[]): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const fsType of new Set(wantedMounts(disks, "/").map((mount) => mount.fsType))) {
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
  const arrays = await arrayNames();
  return filesystems.map(({ target, source, fsroot }) => ({
    ...{ target, source: arrays.get(source) ?? source, fsRoot: fsroot },
  }));
}

/** Mounts are listed by a device's own name, so that is the one to use everywhere. */
async function devicePath(device: string): Promise<string> {
  return realpath(device).catch(() => device);
}

function byPath(disks: readonly PlacedDisk[]): Promise<readonly PlacedDisk[]> {
  return Promise.all(disks.map(async ({ layout, device }) => ({ layout, device: await devicePath(device) })));
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

async function passphraseOptions({ file, of, as }: Passphrase): Promise<RunOptions> {
  const passphrase = file === null ? await typedPassphrase(of, false) : await passphraseIn(file);
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
