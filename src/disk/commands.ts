/** What is run to partition, format, mount and unmount a disk: decided here, printed by script.ts, run by run.ts. */
import { contentType } from "../layout/content.ts";
import {
  command,
  type DiskCommand,
  type Mapping,
  type Mount,
  type WantedMapping,
  type WantedMount,
} from "../layout/content-type.ts";
import { type DiskLayout, type PartitionLayout, partitionDevice, partitionScript } from "../layout/gpt.ts";
import { UserError } from "../modules/errors.ts";
import { presentMappings, presentMounts, wantedMappings, wantedMounts } from "./mounts.ts";

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
 * @param device a whole disk, as `/dev/vda`
 * @throws UserError when something else is mounted where the layout wants a filesystem
 */
export function diskCommands(
  layout: DiskLayout,
  device: string,
  modes: readonly DiskMode[],
  surroundings: DiskSurroundings,
): readonly DiskCommand[] {
  const wanted: Wanted = {
    mounts: wantedMounts(layout, device, surroundings.under),
    mappings: wantedMappings(layout, device),
  };
  const mounted = presentMounts(wanted.mounts, surroundings.mounts);
  const open = presentMappings(wanted.mappings, surroundings.mappings);
  const after = modes.includes("unmount")
    ? {
        ...surroundings,
        mounts: surroundings.mounts.filter((mount) => !mounted.includes(mount)),
        mappings: surroundings.mappings.filter(({ name }) => !open.some((one) => one.name === name)),
      }
    : surroundings;
  return [
    ...(modes.includes("unmount") ? unmountCommands(mounted, open) : []),
    ...(modes.includes("format") ? formatCommands(layout, device, after) : []),
    ...(modes.includes("mount") ? mountCommands(wanted, device, after) : []),
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
      `write one or several of ${MODES.join(", ")} with commas between, as in format,mount`,
    ]);
  }
  return MODES.filter((mode) => words.includes(mode));
}

const MODES: readonly DiskMode[] = ["unmount", "format", "mount"];

function formatCommands(layout: DiskLayout, device: string, surroundings: DiskSurroundings): DiskCommand[] {
  // A name that something else has would stop it half-way.
  for (const mapping of wantedMappings(layout, device)) isOpen(mapping, surroundings.mappings);
  return [
    command("forget what was on the disk", "wipefs", ["--all", "--quiet", "--", device]),
    {
      ...command("write the partition table", "sfdisk", ["--quiet", "--lock", "--wipe=always", "--", device]),
      input: partitionScript(layout),
    },
    ...announceCommands(device, surroundings),
    ...layout.partitions.flatMap((partition, index) =>
      contentCommands(partition, partitionDevice(device, index + 1), surroundings),
    ),
    // udev learns the new labels when the last writer has closed the device.
    ...settleCommands(surroundings),
  ];
}

/** Some kernels do not read a GPT themselves (no CONFIG_EFI_PARTITION), so we tell them; others already know. */
function announceCommands(device: string, surroundings: DiskSurroundings): DiskCommand[] {
  return [
    command("tell the kernel the partitions", "partx", ["--update", "--", device]),
    ...settleCommands(surroundings),
  ];
}

function settleCommands({ udev }: DiskSurroundings): DiskCommand[] {
  return udev ? [command("wait until udev has seen it", "udevadm", ["settle", "--timeout=30"])] : [];
}

function contentCommands(
  { name, content }: PartitionLayout,
  device: string,
  { scratch, tpm }: DiskSurroundings,
): readonly DiskCommand[] {
  return [
    // An old filesystem may begin exactly where a new partition does.
    command(`forget what was on ${name}`, "wipefs", ["--all", "--quiet", "--", device]),
    ...(content === null ? [] : contentType(content).create(content, { device, name, scratch, tpm })),
  ];
}

function mountCommands(wanted: Wanted, device: string, surroundings: DiskSurroundings): DiskCommand[] {
  const closed = wanted.mappings.filter((one) => !isOpen(one, surroundings.mappings));
  const missing = wanted.mounts.filter((one) => !isMounted(one, surroundings));
  if (missing.length === 0 && closed.length === 0) return [];
  return [
    ...announceCommands(device, surroundings),
    ...closed.map(({ open }) => open),
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

function isOpen({ name, source }: WantedMapping, mappings: readonly Mapping[]): boolean {
  const present = mappings.find((one) => one.name === name);
  if (present === undefined) return false;
  if (present.source === source) return true;
  throw new UserError(`/dev/mapper/${name} is already open, from ${present.source}`, [
    `${source} belongs there; close the other one first: cryptsetup close ${name}`,
  ]);
}

/** What this kernel cannot mount counts as mounted. */
function isMounted(
  { target, source, fsType, fsRoot }: WantedMount,
  { mounts, unsupported }: DiskSurroundings,
): boolean {
  if (unsupported.includes(fsType)) return true;
  const present = mounts.findLast((mount) => mount.target === target);
  if (present === undefined) return false;
  if (present.source === source && present.fsRoot === fsRoot) return true;
  throw new UserError(`${target} is already the mount point of ${present.source}`, [
    `${source} belongs there; unmount the other one first: umount ${target}`,
  ]);
}

/** A folder may be mounted on more than once, so each mount is undone by itself, the newest first. */
function unmountCommands(mounts: readonly Mount[], mappings: readonly WantedMapping[]): DiskCommand[] {
  return [
    ...mounts.toReversed().map(({ target }) => command(`unmount ${target}`, "umount", ["--", target])),
    ...mappings.map(({ close }) => close),
  ];
}
