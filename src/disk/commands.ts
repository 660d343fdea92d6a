/** What is run to partition, format, mount and unmount a disk: decided here, printed by script.ts, run by run.ts. */
import { posix } from "node:path";
import { UserError } from "../modules/errors.ts";
import type { DiskLayout, PartitionLayout } from "../plan/disk.ts";
import { MIB } from "../plan/size.ts";
import { type Mount, partitionDevice, presentMounts, type WantedMount, wantedMounts } from "./mounts.ts";

export interface DiskCommand {
  /** One line for people. */
  readonly does: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from stdin. */
  readonly input?: string;
}

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
  const wanted = wantedMounts(layout, device, surroundings.under);
  const ours = presentMounts(wanted, surroundings.mounts);
  const mounts = modes.includes("unmount")
    ? surroundings.mounts.filter((mount) => !ours.includes(mount))
    : surroundings.mounts;
  return [
    ...(modes.includes("unmount") ? unmountCommands(ours) : []),
    ...(modes.includes("format") ? formatCommands(layout, device, surroundings) : []),
    ...(modes.includes("mount") ? mountCommands(wanted, device, { ...surroundings, mounts }) : []),
  ];
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

/** The script that makes the partition table, as in sfdisk(8), "Script header lines" and "Named-fields format". */
export function partitionScript(layout: DiskLayout): string {
  const lines = layout.partitions.map(({ name, type, size }) =>
    [
      `name="${name}"`,
      `type=${type === "esp" ? "uefi" : "linux"}`,
      ...(size === null ? [] : [`size=${size / MIB}MiB`]),
    ].join(", "),
  );
  return `${["label: gpt", ...lines].join("\n")}\n`;
}

function formatCommands(layout: DiskLayout, device: string, surroundings: DiskSurroundings): DiskCommand[] {
  return [
    command("forget what was on the disk", "wipefs", ["--all", "--quiet", "--", device]),
    {
      ...command("write the partition table", "sfdisk", ["--quiet", "--lock", "--wipe=always", "--", device]),
      input: partitionScript(layout),
    },
    ...announceCommands(device, surroundings),
    ...layout.partitions.flatMap((partition, index) =>
      filesystemCommands(partition, partitionDevice(device, index + 1), surroundings.scratch),
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

function filesystemCommands(partition: PartitionLayout, device: string, scratch: string): DiskCommand[] {
  const { content } = partition;
  // An old filesystem may begin exactly where a new partition does.
  const forget = command(`forget what was on ${partition.name}`, "wipefs", ["--all", "--quiet", "--", device]);
  switch (content.kind) {
    case "vfat":
      // Firmware may read only FAT32 from an ESP, and mkfs.vfat makes FAT16 of small ones.
      return [
        forget,
        command(`format ${partition.name} as vfat`, "mkfs.vfat", ["-F", "32", "-n", content.label, device]),
      ];
    case "btrfs":
      return [
        forget,
        command(`format ${partition.name} as btrfs`, "mkfs.btrfs", [
          "--quiet",
          "--force",
          "--label",
          content.label,
          device,
        ]),
        command(`make a folder to reach ${partition.name} by`, "mkdir", ["--parents", "--", scratch]),
        command(`mount all of ${partition.name} there`, "mount", [
          "-t",
          "btrfs",
          "-o",
          "subvolid=5",
          "--",
          device,
          scratch,
        ]),
        ...content.subvolumes.map((subvolume) =>
          command(`make the subvolume ${subvolume.name}`, "btrfs", [
            "subvolume",
            "create",
            posix.join(scratch, subvolume.name),
          ]),
        ),
        command(`unmount ${partition.name} again`, "umount", ["--", scratch]),
        command("remove the folder", "rmdir", ["--", scratch]),
      ];
  }
}

function mountCommands(all: readonly WantedMount[], device: string, surroundings: DiskSurroundings): DiskCommand[] {
  const missing = all.filter((wanted) => {
    if (surroundings.unsupported.includes(wanted.fsType)) return false;
    const present = surroundings.mounts.findLast((mount) => mount.target === wanted.target);
    if (present === undefined) return true;
    if (present.source === wanted.source && present.fsRoot === wanted.fsRoot) return false;
    throw new UserError(`${wanted.target} is already the mount point of ${present.source}`, [
      `${wanted.source} belongs there; unmount the other one first: umount ${wanted.target}`,
    ]);
  });
  if (missing.length === 0) return [];
  return [
    ...announceCommands(device, surroundings),
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

/** A folder may be mounted on more than once, so each mount is undone by itself, the newest first. */
function unmountCommands(mounts: readonly Mount[]): DiskCommand[] {
  return mounts.toReversed().map(({ target }) => command(`unmount ${target}`, "umount", ["--", target]));
}

function command(does: string, program: string, args: readonly string[]): DiskCommand {
  return { does, program, args };
}
