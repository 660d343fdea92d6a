/** What a partition table is made of, whatever its partitions hold. */
import { command, type DiskCommand } from "./content-type.ts";
import { type Extent, type Share, WHOLE } from "./extent.ts";
import { mbrCode, type PartitionType, partitionGuid } from "./partition-types.ts";
import { MIB } from "./size.ts";

/** `C` is what a layout says of content. */
export interface TablePartition<C> extends Extent {
  /** The GPT partition name. */
  readonly name: string;
  readonly type: PartitionType;
  /** Of the partition itself, not of what it holds; `null`: whichever sfdisk draws. */
  readonly uuid: string | null;
  /** Bits, as in the UEFI specification, table 5-8. */
  readonly attributes: readonly number[];
  /** `null`: none, as in a partition that GRUB fills. */
  readonly content: C | null;
}

export interface Table {
  /** An MBR: in place of a GPT. */
  readonly table?: "dos";
  readonly partitions: readonly TablePartition<unknown>[];
}

/**
 * What writes the table: a script for sfdisk(8). After a partition that leaves something at the end of the disk it takes
 * one that shortens it, since sfdisk alone knows where the end is, and one with the partitions after it.
 */
export function partitionCommands({ partitions, table }: Table, device: string): readonly DiskCommand[] {
  const isPlaced = partitions.some(({ share }) => share !== undefined);
  const sfdisk = (does: string, args: readonly string[], lines: readonly string[]): DiskCommand => {
    const words = ["--quiet", "--lock", ...args, "--", device];
    return {
      ...(isPlaced ? command(does, "sh", ["-c", PLACING, device, ...words]) : command(does, "sfdisk", words)),
      input: lines.map((line) => `${line}\n`).join(""),
    };
  };
  const header = `label: ${table ?? "gpt"}`;
  const describe = table === "dos" ? mbrLine : partitionLine;
  const line = (partition: TablePartition<unknown>) =>
    `${isPlaced ? `${placeWords(partition.share)} ` : ""}${describe(partition)}`;
  let number = 0;
  return runs(partitions).flatMap((run, index) => {
    number += run.length;
    const leaves = run.at(-1)?.leaves ?? 0;
    return [
      index === 0
        ? sfdisk(
            "write the partition table",
            ["--wipe=always", WIPE],
            [isPlaced ? `${placeWords()} ${header}` : header, ...run.map(line)],
          )
        : sfdisk("add the partitions after that", ["--append", WIPE], run.map(line)),
      ...(leaves === 0
        ? []
        : [sfdisk(`leave ${leaves / MIB}M at the end`, [`--partno=${number}`], [`size=-${leaves / MIB}MiB`])]),
    ];
  });
}

/**
 * Hands lines to sfdisk, and says in MiB what they have in shares of the disk: a line begins with two places, each in hundredths
 * of a percent and MiB more. In `$0` is the disk.
 */
const PLACING = `
mib=$(($(blockdev --getsize64 "$0") / 1048576))
while read -r part more part2 more2 line; do
  if [ "$part" != - ]; then
    begins=$((mib * part / ${WHOLE} + more))
    line="$line, start=\${begins}MiB, size=$((mib * part2 / ${WHOLE} + more2 - begins))MiB"
  fi
  printf '%s\\n' "$line"
done | sfdisk "$@"
`.trim();

function placeWords(share?: Share): string {
  if (share === undefined) return "- - - -";
  return [share.begins, share.ends].map(({ hundredths, bytes }) => `${hundredths} ${bytes / MIB}`).join(" ");
}

/** Else udev assembles what an old partition at the same place was a part of, before anybody can erase it. */
const WIPE = "--wipe-partitions=always";

/** Each but the last ends with a partition that leaves something. */
function runs(partitions: readonly TablePartition<unknown>[]): readonly (readonly TablePartition<unknown>[])[] {
  const found: TablePartition<unknown>[][] = [[]];
  for (const [index, partition] of partitions.entries()) {
    found.at(-1)?.push(partition);
    if (partition.leaves > 0 && index < partitions.length - 1) found.push([]);
  }
  return found;
}

/** As in sfdisk(8), "Named-fields format". */
function partitionLine({ name, type, start, size, uuid, attributes }: TablePartition<unknown>): string {
  return [
    `name="${escapeName(name)}"`,
    `type=${partitionGuid(type)}`,
    ...(start === null ? [] : [`start=${start / MIB}MiB`]),
    ...(size === null ? [] : [`size=${size / MIB}MiB`]),
    ...(uuid === null ? [] : [`uuid=${uuid}`]),
    ...(attributes.length === 0 ? [] : [`attrs="${attributes.map(attributeName).join(" ")}"`]),
  ].join(", ");
}

function mbrLine({ type, start, size, attributes }: TablePartition<unknown>): string {
  return [
    `type=${mbrCode(type)}`,
    ...(start === null ? [] : [`start=${start / MIB}MiB`]),
    ...(size === null ? [] : [`size=${size / MIB}MiB`]),
    ...(attributes.includes(BOOTABLE) ? ["bootable"] : []),
  ].join(", ");
}

/** As libfdisk writes it itself. */
function escapeName(name: string): string {
  return name.replace(/["\\]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function attributeName(bit: number): string {
  return ATTRIBUTES[bit] ?? `GUID:${bit}`;
}

/** The attribute of a GPT that says of a partition what its flag in an MBR does. */
export const BOOTABLE = 2;

const ATTRIBUTES = ["RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable"];

/** A disk that is known only when a script runs, in its variable `device`; and what its partitions' names begin with, in `partition`. */
export const SCRIPT_DEVICE = "@device";
export const SCRIPT_PARTITION = "@partition";

/** One of several such disks, from 1: the variables are `device1` and `partition1`. */
export function scriptDevice(number: number): string {
  return `/dev/@device${number}`;
}

/** Finds the number of one, and of its partition: `1p2`. */
export const SCRIPT_DEVICES: RegExp = /\/dev\/@device(\d+(?:p\d+)?)/;

/** The device of a disk's partition, counted from 1: `/dev/vda1`, `/dev/nvme0n1p1`, `/dev/disk/by-id/ata-X-part1`. */
export function partitionDevice(device: string, number: number): string {
  if (device === SCRIPT_DEVICE) return `${SCRIPT_PARTITION}${number}`;
  if (device.startsWith("/dev/disk/")) return `${device}-part${number}`;
  return `${device}${/\d$/.test(device) ? "p" : ""}${number}`;
}
