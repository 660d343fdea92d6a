/** What is run to partition, format, mount and unmount a disk: decided here, printed by script.ts, run by run.ts. */

import { UserError } from "../errors.ts";
import { contentType, membersOf } from "../layout/content.ts";
import {
  command,
  type DiskCommand,
  type Mapping,
  type Mount,
  type PartitionRef,
  type WantedMapping,
  type WantedMount,
} from "../layout/content-type.ts";
import { type PartitionLayout, type PlacedDisk, partitionCommands, partitionDevice } from "../layout/gpt.ts";
import {
  deviceOf,
  inOrder,
  isMapping,
  isSource,
  presentMappings,
  presentMounts,
  wantedMappings,
  wantedMounts,
} from "./mounts.ts";

export type DiskMode = "unmount" | "format" | "mount";

/** What the commands depend on besides the layout: it is looked up once, before the first of them runs. */
export interface DiskSurroundings {
  /** The folder that stands for `/` of the host: `/mnt`. */
  readonly under: string;
  /** Where a new filesystem is mounted for a moment, to make its subvolumes; made and removed by the commands. */
  readonly scratch: string;
  /** Whether udev runs here: it still works on new partitions when the kernel has announced them. */
  readonly udev: boolean;
  /** The filesystem types that this kernel cannot mount. They are formatted, but not mounted. */
  readonly unsupported: readonly string[];
  /** What is mounted now. */
  readonly mounts: readonly Mount[];
  /** What is open now. */
  readonly mappings: readonly Mapping[];
  /** Whether this machine's TPM is that of the host. */
  readonly tpm: boolean;
}

/**
 * The commands for each mode, always in the order unmount, format, mount. What is already mounted as it should be is not
 * mounted again.
 * @param disks all those that share a filesystem
 * @throws UserError when something else is mounted where the layout wants a filesystem
 */
export function diskCommands(
  disks: readonly PlacedDisk[],
  modes: readonly DiskMode[],
  surroundings: DiskSurroundings,
): readonly DiskCommand[] {
  const wanted: Wanted = {
    mounts: wantedMounts(disks, surroundings.under),
    mappings: wantedMappings(disks),
  };
  const mounted = presentMounts(wanted.mounts, surroundings.mounts);
  const open = presentMappings(wanted.mappings, surroundings.mappings);
  const after = modes.includes("unmount")
    ? {
        ...surroundings,
        mounts: surroundings.mounts.filter((mount) => !mounted.includes(mount)),
        mappings: surroundings.mappings.filter((present) => !open.some((one) => isMapping(present, one))),
      }
    : surroundings;
  return [
    ...(modes.includes("unmount") ? unmountCommands(mounted, open) : []),
    ...(modes.includes("format") ? formatCommands(disks, after) : []),
    ...(modes.includes("mount") ? mountCommands(wanted, disks, after) : []),
  ];
}

interface Wanted {
  readonly mounts: readonly WantedMount[];
  readonly mappings: readonly WantedMapping[];
}

/**
 * The modes in a comma list such as `format,mount`.
 * @throws UserError for any other word
 */
export function parseModes(text: string): readonly DiskMode[] {
  const words = text.split(",").map((word) => word.trim());
  const unknown = words.filter((word) => !MODES.some((mode) => mode === word));
  if (unknown.length > 0) {
    throw new UserError(`${JSON.stringify(unknown[0])} is not a disk mode`, [
      `write one or more of ${MODES.join(", ")}, separated by commas, such as format,mount`,
    ]);
  }
  return MODES.filter((mode) => words.includes(mode));
}

const MODES: readonly DiskMode[] = ["unmount", "format", "mount"];

function formatCommands(disks: readonly PlacedDisk[], surroundings: DiskSurroundings): DiskCommand[] {
  // A name that something else has would stop it half-way.
  for (const mapping of wantedMappings(disks)) isOpen(mapping, surroundings.mappings);
  const partitions = disks.flatMap(({ layout, device }) =>
    layout.partitions.map((partition, index) => ({ ...partition, device: partitionDevice(device, index + 1) })),
  );
  return [
    ...disks.flatMap(({ layout, device }) => [
      command("erase the signatures on the disk", "wipefs", ["--all", "--quiet", "--", device]),
      ...partitionCommands(layout, device),
    ]),
    ...announceCommands(
      disks.map(({ device }) => device),
      surroundings,
    ),
    ...inOrder(partitions).flatMap((one) => contentCommands(one, disks, surroundings)),
    // udev learns the new labels when the last writer has closed the device.
    ...settleCommands(surroundings),
  ];
}

/** Some kernels do not read a GPT themselves (no CONFIG_EFI_PARTITION), so we tell them; others already know. */
function announceCommands(devices: readonly string[], surroundings: DiskSurroundings): DiskCommand[] {
  return [
    ...devices.map((device) => command("tell the kernel about the partitions", "partx", ["--update", "--", device])),
    ...settleCommands(surroundings),
  ];
}

function settleCommands({ udev }: DiskSurroundings): DiskCommand[] {
  return udev ? [command("wait for udev", "udevadm", ["settle", "--timeout=30"])] : [];
}

function contentCommands(
  { name, content, device }: PartitionLayout & { readonly device: string },
  disks: readonly PlacedDisk[],
  surroundings: DiskSurroundings,
): readonly DiskCommand[] {
  const { scratch, tpm } = surroundings;
  const find = deviceOf(disks);
  const closed = mappingsBelow(membersOf(content), disks);
  const settle = settleCommands(surroundings);
  const announce = (one: string) => announceCommands([one], surroundings);
  return [
    // An old filesystem may begin exactly where a new partition does.
    command(`erase the signatures on ${name}`, "wipefs", ["--all", "--quiet", "--", device]),
    ...openCommands(closed, settle),
    ...(content === null
      ? []
      : contentType(content).create(content, { device, name, scratch, tpm, deviceOf: find, settle, announce })),
    ...closed.toReversed().map(({ close }) => close),
  ];
}

/** udev makes the names of arrays, and of their partitions. */
function openCommands(mappings: readonly WantedMapping[], settle: readonly DiskCommand[]): readonly DiskCommand[] {
  return mappings.flatMap(({ kind, open }) => [open, ...(kind === "array" ? settle : [])]);
}

/** What of the partitions has to be open for what stands on all of them to be made. */
function mappingsBelow(refs: readonly PartitionRef[], disks: readonly PlacedDisk[]): readonly WantedMapping[] {
  const contents = refs.flatMap(({ disk, partition }) =>
    disks
      .filter(({ layout }) => layout.name === disk)
      .flatMap(({ layout, device }) =>
        layout.partitions.flatMap(({ name, content }, index) =>
          name === partition && content !== null ? [{ content, device: partitionDevice(device, index + 1) }] : [],
        ),
      ),
  );
  return inOrder(contents).flatMap(({ content, device }) =>
    contentType(content).mappings(content, device, deviceOf(disks)),
  );
}

function mountCommands(wanted: Wanted, disks: readonly PlacedDisk[], surroundings: DiskSurroundings): DiskCommand[] {
  const closed = wanted.mappings.filter((one) => !isOpen(one, surroundings.mappings));
  const missing = wanted.mounts.filter((one) => !isMounted(one, surroundings));
  if (missing.length === 0 && closed.length === 0) return [];
  return [
    ...announceCommands(
      disks.map(({ device }) => device),
      surroundings,
    ),
    ...openCommands(closed, settleCommands(surroundings)),
    ...missing.flatMap(({ target, source, fsType, options }) => [
      command(`make ${target}`, "mkdir", ["--parents", "--", target]),
      command(`mount ${target}`, "mount", [
        ...["-t", fsType],
        ...(options.length > 0 ? ["-o", options.join(",")] : []),
        ...["--", source, target],
      ]),
    ]),
  ];
}

function isOpen(wanted: WantedMapping, mappings: readonly Mapping[]): boolean {
  const present = mappings.find((one) => isMapping(one, wanted));
  if (present === undefined) return false;
  if (present.sources.includes(wanted.source)) return true;
  const { name, source, close } = wanted;
  const what = { luks: `/dev/mapper/${name}`, array: `/dev/md/${name}`, group: `the volume group ${name}` }[
    wanted.kind
  ];
  throw new UserError(`${what} is already open, from ${present.sources.join(" and ")}`, [
    `it must be opened from ${source}; close the other one first: ${[close.program, ...close.args].filter((word) => !/^--(quiet)?$/.test(word)).join(" ")}`,
  ]);
}

/** What this kernel cannot mount counts as mounted. */
function isMounted(wanted: WantedMount, { mounts, unsupported }: DiskSurroundings): boolean {
  const { target, source, fsType, fsRoot } = wanted;
  if (unsupported.includes(fsType)) return true;
  const present = mounts.findLast((mount) => mount.target === target);
  if (present === undefined) return false;
  if (isSource(wanted, present.source) && present.fsRoot === fsRoot) return true;
  throw new UserError(`${target} is already the mount point of ${present.source}`, [
    `${source} must be mounted there; unmount the other one first: umount ${target}`,
  ]);
}

/** A folder may be mounted on more than once, so each mount is undone by itself, the newest first. */
function unmountCommands(mounts: readonly Mount[], mappings: readonly WantedMapping[]): DiskCommand[] {
  return [
    ...mounts.toReversed().map(({ target }) => command(`unmount ${target}`, "umount", ["--", target])),
    ...mappings.toReversed().map(({ close }) => close),
  ];
}
