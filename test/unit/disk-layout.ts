/** The layout of the impermanence template, small, for the tests of disks. */
import type { BtrfsContent, SubvolumeLayout } from "../../src/layout/btrfs.ts";
import type { Content } from "../../src/layout/content.ts";
import type { DiskLayout, PartitionLayout } from "../../src/layout/gpt.ts";
import type { LuksContent } from "../../src/layout/luks.ts";
import { MIB } from "../../src/layout/size.ts";

/** What a partition has where a layout says nothing of it. */
export const plain = { start: null, leaves: 0, uuid: null, attributes: [] } as const;

export const esp: PartitionLayout = {
  ...plain,
  name: "ESP",
  type: "esp",
  size: 128 * MIB,
  content: {
    kind: "filesystem",
    format: "vfat",
    label: "BOOT",
    mountpoint: "/boot",
    mountOptions: ["umask=0077"],
    neededForBoot: false,
    extraArgs: [],
  },
};

export function subvolume(
  name: string,
  mountpoint: string | null,
  mountOptions: readonly string[] = [],
): SubvolumeLayout {
  return { name, mountpoint, mountOptions, neededForBoot: mountpoint !== null, swap: [] };
}

export const rootContent: BtrfsContent = {
  kind: "btrfs",
  label: "root",
  ...{ mountpoint: null, mountOptions: [], neededForBoot: false, swap: [], extraArgs: [], members: [] },
  subvolumes: [
    subvolume("@root", "/", ["compress=zstd"]),
    subvolume("@persist", "/persist"),
    subvolume("@nix", "/nix", ["noatime"]),
    subvolume("@spare", null),
  ],
};

export const root: PartitionLayout = { ...plain, name: "root", type: "linux", size: null, content: rootContent };

/** The same, encrypted. */
export const luksContent: LuksContent<Content> = {
  kind: "luks",
  label: "luks",
  name: "crypted",
  passwordFile: "/tmp/it's secret",
  additionalKeyFiles: [],
  settings: {
    ...{ keyFile: null, keyFileSize: null, keyFileOffset: null, allowDiscards: true },
    ...{ bypassWorkqueues: false, crypttabExtraOpts: [] },
  },
  enrollTpm2: true,
  tpm2Pcrs: [7],
  extraFormatArgs: ["--pbkdf", "pbkdf2"],
  extraOpenArgs: [],
  content: rootContent,
};

export const encrypted: DiskLayout = {
  name: "main",
  device: "/dev/vda",
  imageSize: null,
  partitions: [esp, { ...plain, name: "luks", type: "linux", size: null, content: luksContent }],
};

export const layout: DiskLayout = { name: "main", device: "/dev/vda", imageSize: null, partitions: [esp, root] };
