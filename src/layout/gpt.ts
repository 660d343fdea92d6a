/** A GPT partition table. */
import type { Content } from "./content.ts";
import { MIB } from "./size.ts";

export interface DiskLayout {
  /** Its key in `disko.devices.disk`. */
  readonly name: string;
  /** The device it is made on unless the command line names another: `/dev/vda`. */
  readonly device: string;
  /** Of an image of it, in bytes; `null`: whatever is asked for. */
  readonly imageSize: number | null;
  readonly partitions: readonly PartitionLayout[];
}

export interface PartitionLayout {
  /** The GPT partition name. */
  readonly name: string;
  readonly type: PartitionType;
  /** In bytes; `null`: the rest of the disk (only the last partition). */
  readonly size: number | null;
  /** `null`: none, as in a partition that GRUB fills. */
  readonly content: Content | null;
}

export type PartitionType = "esp" | "bios-boot" | "linux" | "swap";

/** As sgdisk(8) and disko write them. */
export const PARTITION_CODES = { EF00: "esp", EF02: "bios-boot", 8200: "swap", 8300: "linux" } as const;

/** UEFI specification, table 5-7, and the UAPI Group's Discoverable Partitions Specification. */
export const PARTITION_GUIDS: Readonly<Record<PartitionType, string>> = {
  esp: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
  "bios-boot": "21686148-6449-6E6F-744E-656564454649",
  swap: "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
  linux: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
};

/** The script that makes the partition table, as in sfdisk(8), "Script header lines" and "Named-fields format". */
export function partitionScript(layout: DiskLayout): string {
  const lines = layout.partitions.map(({ name, type, size }) =>
    [`name="${name}"`, `type=${PARTITION_GUIDS[type]}`, ...(size === null ? [] : [`size=${size / MIB}MiB`])].join(", "),
  );
  return `${["label: gpt", ...lines].join("\n")}\n`;
}

/** The device of a disk's partition, counted from 1: `/dev/vda1`, `/dev/nvme0n1p1`, `/dev/disk/by-id/ata-X-part1`. */
export function partitionDevice(device: string, number: number): string {
  if (device.startsWith("/dev/disk/")) return `${device}-part${number}`;
  return `${device}${/\d$/.test(device) ? "p" : ""}${number}`;
}
