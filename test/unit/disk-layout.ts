/** The layout of the impermanence template, small, for the tests of disks. */
import type { DiskLayout, PartitionLayout } from "../../src/plan/disk.ts";
import { MIB } from "../../src/plan/size.ts";

export const esp: PartitionLayout = {
  name: "ESP",
  type: "esp",
  size: 128 * MIB,
  content: { kind: "vfat", label: "BOOT", mountpoint: "/boot", mountOptions: ["umask=0077"] },
};

export const root: PartitionLayout = {
  name: "root",
  type: "linux",
  size: null,
  content: {
    kind: "btrfs",
    label: "root",
    subvolumes: [
      { name: "@root", mountpoint: "/", mountOptions: ["compress=zstd"] },
      { name: "@persist", mountpoint: "/persist", mountOptions: [] },
      { name: "@nix", mountpoint: "/nix", mountOptions: ["noatime"] },
      { name: "@spare", mountpoint: null, mountOptions: [] },
    ],
  },
};

export const layout: DiskLayout = { name: "main", device: "/dev/vda", partitions: [esp, root] };
