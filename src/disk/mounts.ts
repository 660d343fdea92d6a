/** Which filesystems of a layout are mounted where, and which of them are so now. */
import { posix } from "node:path";
import type { DiskLayout } from "../plan/disk.ts";

export interface Mount {
  readonly target: string;
  /** `/dev/vda2` */
  readonly source: string;
  /** Which part of the filesystem: `/`, or `/@root` for that subvolume. */
  readonly fsRoot: string;
}

/** The device of a disk's partition, counted from 1: `/dev/vda1`, `/dev/nvme0n1p1`, `/dev/disk/by-id/ata-X-part1`. */
export function partitionDevice(device: string, number: number): string {
  if (device.startsWith("/dev/disk/")) return `${device}-part${number}`;
  return `${device}${/\d$/.test(device) ? "p" : ""}${number}`;
}

export interface WantedMount extends Mount {
  readonly fsType: string;
  readonly options: readonly string[];
}

/**
 * Every mount of a layout, parents first.
 * @param under the folder that stands for `/` of the host
 */
export function wantedMounts(layout: DiskLayout, device: string, under: string): readonly WantedMount[] {
  const target = (mountpoint: string) => posix.join(under, mountpoint).replace(/(.)\/$/, "$1");
  const mounts = layout.partitions.flatMap(({ content }, index): WantedMount[] => {
    const source = partitionDevice(device, index + 1);
    if (content.kind === "vfat") {
      const options = content.mountOptions;
      return [{ target: target(content.mountpoint), source, fsRoot: "/", fsType: "vfat", options }];
    }
    return content.subvolumes.flatMap(({ name, mountpoint, mountOptions }) => {
      if (mountpoint === null) return [];
      const options = [`subvol=${name}`, ...mountOptions];
      return [{ target: target(mountpoint), source, fsRoot: `/${name}`, fsType: "btrfs", options }];
    });
  });
  // A parent's path is a prefix of its child's, so it sorts before it.
  return mounts.toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

/** Those of a layout's mounts that are there, in the order in which they were made. */
export function presentMounts(wanted: readonly WantedMount[], mounts: readonly Mount[]): readonly Mount[] {
  return mounts.filter((mount) => wanted.some((it) => it.target === mount.target && it.source === mount.source));
}
