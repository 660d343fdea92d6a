/** Whether a disk plan can be made at all: what can be said without looking at a device. */
import { UserError } from "../modules/errors.ts";
import type { DiskLayout, DiskPlan, PartitionLayout } from "../plan/disk.ts";
import { formatSize, MIB } from "../plan/size.ts";

/** Everything that is wrong with a plan, each on one line; empty: nothing. */
export function diskProblems(plan: DiskPlan): readonly string[] {
  const partitions = plan.disks.flatMap((disk) => disk.partitions);
  const mountpoints = partitions.flatMap(partitionMountpoints);
  return [
    ...duplicates(plan.disks.map((disk) => disk.name)).map((name) => `two disks are named ${name}`),
    ...duplicates(plan.disks.map((disk) => disk.device)).map((device) => `two disks are on the device ${device}`),
    ...plan.disks.flatMap(layoutProblems),
    ...duplicates(partitions.map((partition) => partition.content.label)).map(
      (label) => `two filesystems are labelled ${label}: the host could not tell which one to mount`,
    ),
    ...duplicates(mountpoints).map((path) => `two filesystems are mounted on ${path}`),
    ...mountpoints.filter((path) => !isMountpoint(path)).map((path) => `${path} is not a plain absolute path`),
    ...(mountpoints.includes("/") ? [] : ["no filesystem is mounted on /"]),
  ];
}

/** @throws UserError with every problem of the plan */
export function checkDiskPlan(plan: DiskPlan): void {
  const problems = diskProblems(plan);
  if (problems.length > 0) throw new UserError("the disk layout cannot be made", problems);
}

/** The smallest device that a layout fits on, in bytes. */
export function requiredBytes(layout: DiskLayout): number {
  const partitions = layout.partitions.map((partition) => partition.size ?? minimalSize(partition));
  return partitions.reduce((sum, size) => sum + size, TABLE_SIZE);
}

/** The two copies of the partition table and the alignment of the first and last partition. */
const TABLE_SIZE = 2 * MIB;

/** mkfs.btrfs takes no less than 109 MiB; the ESP holds a kernel and an initrd, at least. */
function minimalSize(partition: PartitionLayout): number {
  return (partition.content.kind === "btrfs" ? 256 : 64) * MIB;
}

function layoutProblems(disk: DiskLayout): string[] {
  const rest = disk.partitions.filter((partition) => partition.size === null);
  return [
    ...(disk.partitions.length === 0 ? [`disk ${disk.name} has no partitions`] : []),
    ...duplicates(disk.partitions.map((partition) => partition.name)).map(
      (name) => `disk ${disk.name}: two partitions are named ${name}`,
    ),
    ...(rest.length > 1
      ? [`disk ${disk.name}: ${rest.map((it) => it.name).join(" and ")} each take the rest of the disk`]
      : []),
    ...(rest.length === 1 && disk.partitions.at(-1)?.size !== null
      ? [`disk ${disk.name}: ${rest[0]?.name} takes the rest of the disk, so it must be the last partition`]
      : []),
    ...disk.partitions.flatMap((partition) =>
      partitionProblems(partition).map((problem) => `disk ${disk.name}, partition ${partition.name}: ${problem}`),
    ),
  ];
}

function partitionProblems(partition: PartitionLayout): string[] {
  const { name, size, content } = partition;
  return [
    ...nameProblems("the partition name", name, GPT_NAME_UNITS, name.length),
    ...sizeProblems(size, minimalSize(partition)),
    ...(partition.type === "esp" && content.kind !== "vfat" ? ["firmware reads only vfat from an ESP"] : []),
    ...(content.kind === "vfat"
      ? nameProblems("the vfat label", content.label, VFAT_LABEL_BYTES, Buffer.byteLength(content.label))
      : [
          ...nameProblems("the btrfs label", content.label, BTRFS_LABEL_BYTES, Buffer.byteLength(content.label)),
          ...duplicates(content.subvolumes.map((it) => it.name)).map((it) => `two subvolumes are named ${it}`),
          ...content.subvolumes
            .filter((it) => !/^[^/\s,-][^/\s,]*$/.test(it.name) || it.name === "." || it.name === "..")
            .map((it) => `${JSON.stringify(it.name)} cannot be the name of a subvolume; write it like @root`),
        ]),
  ];
}

/** UEFI specification, table 5-6: 36 UTF-16 code units, which is what JavaScript counts. */
const GPT_NAME_UNITS = 36;
const VFAT_LABEL_BYTES = 11;
/** BTRFS_LABEL_SIZE without the final zero. */
const BTRFS_LABEL_BYTES = 255;

function nameProblems(what: string, name: string, limit: number, length: number): string[] {
  if (name === "") return [`${what} is empty`];
  // Quotes and backslashes would need escapes in sfdisk's script, in /dev/disk/by-label and in fstab.
  if (!/^[\w@.+:=-]+$/.test(name)) return [`${what} ${JSON.stringify(name)} may only have letters, digits and @._+:=-`];
  return length > limit ? [`${what} ${JSON.stringify(name)} has ${length} characters, at most ${limit} fit`] : [];
}

function sizeProblems(size: number | null, minimum: number): string[] {
  if (size === null) return [];
  if (!Number.isSafeInteger(size) || size <= 0) return [`${size} is not a size in bytes`];
  if (size % MIB !== 0) return [`the size ${size} is not a multiple of 1M, to which partitions are aligned`];
  return size < minimum ? [`the size ${formatSize(size)} is too small, it needs at least ${formatSize(minimum)}`] : [];
}

function partitionMountpoints({ content }: PartitionLayout): string[] {
  const mountpoints =
    content.kind === "vfat" ? [content.mountpoint] : content.subvolumes.map((subvolume) => subvolume.mountpoint);
  return mountpoints.filter((mountpoint) => mountpoint !== null);
}

function isMountpoint(path: string): boolean {
  return path === "/" || (/^(\/[^/]+)+$/.test(path) && !path.split("/").some((part) => part === "." || part === ".."));
}

function duplicates(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}
