import { deepEqual, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { checkDiskPlan, diskProblems, requiredBytes } from "../../src/disk/check.ts";
import type { DiskLayout, PartitionLayout, SubvolumeLayout } from "../../src/plan/disk.ts";
import { GIB, MIB } from "../../src/plan/size.ts";
import { esp, layout, root } from "./disk-layout.ts";

test("the layout of the template is without problems, and says how large a disk it needs", () => {
  deepEqual(diskProblems({ disks: [layout] }), []);
  deepEqual(requiredBytes(layout), (2 + 128 + 256) * MIB);
});

const subvolume = (name: string, mountpoint: string | null): SubvolumeLayout => ({
  name,
  mountpoint,
  mountOptions: [],
});
const btrfs = (label: string, subvolumes: readonly SubvolumeLayout[]): PartitionLayout => ({
  ...root,
  name: label,
  content: { kind: "btrfs", label, subvolumes },
});
const vfat = (label: string): PartitionLayout => ({
  ...esp,
  content: { kind: "vfat", label, mountpoint: "/boot", mountOptions: [] },
});

const wrong: readonly {
  readonly what: string;
  readonly partitions: DiskLayout["partitions"];
  readonly says: RegExp;
}[] = [
  { what: "no partition", partitions: [], says: /has no partitions/ },
  {
    what: "two partitions of one name",
    partitions: [{ ...esp, name: "root" }, root],
    says: /two partitions are named root/,
  },
  {
    what: "a mountpoint twice",
    partitions: [esp, btrfs("root", [subvolume("@a", "/"), subvolume("@b", "/")])],
    says: /mounted on \//,
  },
  { what: "a label twice", partitions: [vfat("root"), root], says: /two filesystems are labelled root/ },
  {
    what: "nothing on /",
    partitions: [btrfs("data", [subvolume("@data", "/data")])],
    says: /no filesystem is mounted on \/$/,
  },
  {
    what: "two that take the rest",
    partitions: [{ ...esp, size: null }, root],
    says: /ESP and root each take the rest/,
  },
  { what: "rest not last", partitions: [root, esp], says: /root takes the rest of the disk, so it must be the last/ },
  { what: "an ESP that holds no kernel", partitions: [{ ...esp, size: MIB }, root], says: /1M is too small.*64M/ },
  {
    what: "a btrfs too small for mkfs",
    partitions: [esp, { ...root, size: 100 * MIB }],
    says: /100M is too small.*256M/,
  },
  { what: "an unaligned size", partitions: [{ ...esp, size: 128 * MIB + 512 }, root], says: /not a multiple of 1M/ },
  { what: "a size that is no number of bytes", partitions: [{ ...esp, size: -1 }, root], says: /-1 is not a size/ },
  { what: "a long vfat label", partitions: [vfat("TWELVELETTER"), root], says: /12 characters, at most 11 fit/ },
  {
    what: "a long partition name",
    partitions: [{ ...esp, name: "x".repeat(37) }, root],
    says: /37 characters, at most 36/,
  },
  { what: "a quote in a name", partitions: [{ ...esp, name: 'E"SP' }, root], says: /may only have letters/ },
  { what: "a line break in a name", partitions: [{ ...esp, name: "E\nSP" }, root], says: /may only have letters/ },
  { what: "an empty label", partitions: [vfat(""), root], says: /label is empty/ },
  { what: "an ESP with btrfs", partitions: [{ ...root, type: "esp" }], says: /only vfat from an ESP/ },
  {
    what: "a subvolume twice",
    partitions: [btrfs("root", [subvolume("@a", "/"), subvolume("@a", "/b")])],
    says: /two subvolumes are named @a/,
  },
  {
    what: "a subvolume's name with a slash",
    partitions: [btrfs("root", [subvolume("a/b", "/")])],
    says: /cannot be the name of a subvolume/,
  },
  {
    what: "a subvolume's name like an option",
    partitions: [btrfs("root", [subvolume("-r", "/")])],
    says: /cannot be the name of a subvolume/,
  },
  {
    what: "a mountpoint that leads out",
    partitions: [btrfs("root", [subvolume("@a", "/"), subvolume("@b", "/../etc")])],
    says: /not a plain absolute path/,
  },
  {
    what: "a relative mountpoint",
    partitions: [btrfs("root", [subvolume("@a", "/"), subvolume("@b", "var")])],
    says: /not a plain absolute path/,
  },
];

for (const { what, partitions, says } of wrong) {
  test(`a layout with ${what} is refused`, () => {
    match(diskProblems({ disks: [{ ...layout, partitions }] }).join("\n"), new RegExp(says.source, "m"));
  });
}

test("two disks of one name or on one device are refused, and all problems are said at once", () => {
  const small: DiskLayout = { ...layout, partitions: [{ ...esp, size: 10 * GIB }] };
  throws(() => checkDiskPlan({ disks: [layout, small] }), /the disk layout cannot be made/);
  deepEqual(diskProblems({ disks: [layout, small] }), [
    "two disks are named main",
    "two disks are on the device /dev/vda",
    "two filesystems are labelled BOOT: the host could not tell which one to mount",
    "two filesystems are mounted on /boot",
  ]);
});
