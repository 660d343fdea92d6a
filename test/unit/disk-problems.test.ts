import { deepEqual, match } from "node:assert/strict";
import { test } from "node:test";
import type { SubvolumeLayout } from "../../src/layout/btrfs.ts";
import type { Content } from "../../src/layout/content.ts";
import type { DiskLayout, PartitionLayout } from "../../src/layout/gpt.ts";
import type { LuksContent } from "../../src/layout/luks.ts";
import { GIB, MIB } from "../../src/layout/size.ts";
import type { SwapContent } from "../../src/layout/swap.ts";
import { diskProblems as problemsOf } from "../../src/plan/disk-problems.ts";
import { requiredBytes } from "../../src/plan/layout-problems.ts";
import { encrypted, esp, layout, luksContent, plain, root, rootContent, subvolume } from "./disk-layout.ts";
import { planOfDevices } from "./disko-examples.ts";

const diskProblems = ({ disks }: { readonly disks: readonly DiskLayout[] }, kernel = "linux-image-amd64") =>
  problemsOf({ disks, nodev: [] }, { kernel });

test("the layouts of the templates are without problems, and say how large a disk they need", () => {
  deepEqual(diskProblems({ disks: [layout] }), []);
  deepEqual(diskProblems({ disks: [encrypted] }), []);
  deepEqual(requiredBytes(layout), (2 + 128 + 256) * MIB);
  deepEqual(requiredBytes(encrypted), (2 + 128 + 16 + 256) * MIB);
});

const btrfs = (label: string, subvolumes: readonly SubvolumeLayout[]): PartitionLayout => ({
  ...root,
  name: label,
  content: { ...rootContent, label, subvolumes },
});
const filesystem = (format: "vfat" | "ext4", label: string): PartitionLayout => ({
  ...esp,
  content: {
    kind: "filesystem",
    format,
    label,
    mountpoint: "/boot",
    mountOptions: [],
    neededForBoot: false,
    extraArgs: [],
  },
});
const swap = (label: string): PartitionLayout => {
  const content: SwapContent = {
    ...{ kind: "swap", label, priority: null, discardPolicy: null, resumeDevice: false },
    ...{ mountOptions: [], extraArgs: [], randomEncryption: null },
  };
  return { ...plain, name: "swap", type: "swap", size: GIB, content };
};
const luks = (change: Partial<LuksContent<Content>>): PartitionLayout => ({
  ...root,
  content: { ...luksContent, ...change },
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
  { what: "a label twice", partitions: [filesystem("vfat", "root"), root], says: /two filesystems are labelled root/ },
  {
    what: "nothing on /",
    partitions: [btrfs("data", [subvolume("@data", "/data")])],
    says: /no filesystem is mounted on \/:/,
  },
  {
    what: "two that take the rest",
    partitions: [{ ...esp, size: null }, root],
    says: /ESP and root each take the rest/,
  },
  { what: "rest not last", partitions: [root, esp], says: /root takes the rest of the disk, but is not the last/ },
  { what: "an ESP that holds no kernel", partitions: [{ ...esp, size: MIB }, root], says: /1M is too small.*64M/ },
  {
    what: "a btrfs too small for mkfs",
    partitions: [esp, { ...root, size: 100 * MIB }],
    says: /100M is too small.*256M/,
  },
  { what: "an unaligned size", partitions: [{ ...esp, size: 128 * MIB + 512 }, root], says: /not a multiple of 1M/ },
  {
    what: "a size that is no number of bytes",
    partitions: [{ ...esp, size: -1 }, root],
    says: /the size -1 is not a multiple of 1M/,
  },
  {
    what: "a long vfat label",
    partitions: [filesystem("vfat", "TWELVELETTER"), root],
    says: /12 characters: at most 11 fit/,
  },
  {
    what: "a long partition name",
    partitions: [{ ...esp, name: "x".repeat(37) }, root],
    says: /37 characters: at most 36/,
  },
  { what: "a line break in a name", partitions: [{ ...esp, name: "E\nSP" }, root], says: /has control characters/ },
  { what: "an empty label", partitions: [filesystem("vfat", ""), root], says: /label is missing/ },
  { what: "a long ext4 label", partitions: [filesystem("ext4", "seventeenletters_"), root], says: /at most 16 fit/ },
  { what: "a long swap label", partitions: [esp, swap("sixteen_letters_"), root], says: /at most 15 fit/ },
  {
    what: "a luks that is too small",
    partitions: [esp, { ...luks({}), size: 200 * MIB }],
    says: /200M is too small.*272M/,
  },
  {
    what: "a luks with two keys",
    partitions: [esp, luks({ settings: { ...luksContent.settings, keyFile: "/k" } })],
    says: /either passwordFile or settings\.keyFile/,
  },
  {
    what: "a luks whose content has no label",
    partitions: [esp, luks({ content: { ...rootContent, label: "" } })],
    says: /the btrfs label is missing/,
  },
  {
    what: "a luks labelled like what is in it",
    partitions: [esp, luks({ label: "root" })],
    says: /two filesystems are labelled root/,
  },
  {
    what: "a root that nothing opens at boot",
    partitions: [
      esp,
      luks({ passwordFile: null, enrollTpm2: false, settings: { ...luksContent.settings, keyFile: "/k" } }),
    ],
    says: /nothing opens this luks at boot/,
  },
  {
    what: "a filesystem over what comes with the closure",
    partitions: [esp, btrfs("root", [subvolume("@root", "/"), subvolume("@usr", "/usr")])],
    says: /\/usr cannot be a filesystem of its own: it comes with the closure/,
  },
  {
    what: "a vfat label that mkfs.vfat refuses",
    partitions: [filesystem("vfat", "EFI.1"), root],
    says: /the vfat label EFI\.1 has characters that vfat does not allow/,
  },
  {
    what: "two luks of one name",
    partitions: [
      { ...luks({ label: "a", content: swap("inner").content as SwapContent }), name: "a", size: GIB },
      luks({ label: "b" }),
    ],
    says: /two devices are opened as crypted/,
  },
  {
    what: "swap in a subvolume that is mounted nowhere",
    partitions: [
      esp,
      btrfs("root", [
        subvolume("@a", "/"),
        { ...subvolume("@s", null), swap: [{ path: "s", size: GIB, priority: null, options: [] }] },
      ]),
    ],
    says: /the subvolume @s has swap, but is not mounted/,
  },
  { what: "content where GRUB goes", partitions: [{ ...root, type: "bios-boot" }], says: /GRUB overwrites/ },
  { what: "an ESP with btrfs", partitions: [{ ...root, type: "esp" }], says: /only vfat from an ESP/ },
  {
    what: "a subvolume's name that leaves the filesystem",
    partitions: [btrfs("root", [subvolume("a/../..", "/")])],
    says: /not a valid name for a subvolume/,
  },
  {
    what: "a subvolume's name like an option",
    partitions: [btrfs("root", [subvolume("-r", "/")])],
    says: /not a valid name for a subvolume/,
  },
];

for (const { what, partitions, says } of wrong) {
  test(`a layout with ${what} is refused`, () => {
    const lines = diskProblems({ disks: [{ ...layout, partitions }] }).map(({ what, fix }) => `${what}: ${fix}`);
    match(lines.join("\n"), new RegExp(says.source, "m"));
  });
}

test("of partitions in percent, each has room on the smallest disk that is accepted", () => {
  const swap = (label: string) => ({ content: { type: "swap", label } });
  const root = { size: "100%", content: { type: "filesystem", format: "ext4", mountpoint: "/" } };
  const least = (partitions: object) => {
    const disk = {
      main: { device: "/dev/vda", content: { partitions } },
      other: { device: "/dev/vdb", content: { partitions: { root } } },
    };
    const [layout] = planOfDevices({ disk }).disk.disks;
    return layout === undefined ? Number.NaN : requiredBytes(layout) / MIB;
  };
  // 25% of it is left for what follows, 1M at each end, and what is lost by rounding.
  deepEqual(least({ a: { size: "75%", ...swap("a") }, b: { size: "100%", ...swap("b") } }), 16);
  // Ten times what b needs.
  deepEqual(least({ a: { size: "10%", content: { type: "filesystem", format: "vfat", mountpoint: "/a" } } }), 650);
  // Where it begins is behind what is before it.
  deepEqual(least({ a: { size: "100M", ...swap("a") }, b: { start: "50%", end: "-0", ...swap("b") } }), 204);
  deepEqual(least({ a: { size: "100%", ...swap("a") } }), 3);
});

test("partitions that do not fit on the image that is declared are refused", () => {
  const said = diskProblems({ disks: [{ ...layout, imageSize: 300 * MIB }] }).map(({ what }) => what);
  deepEqual(said, ["disk main: the partitions need 386M, its image has 300M"]);
});

test("two disks on one device are refused, and all problems are said at once, each with what it is about", () => {
  const second: DiskLayout = { ...layout, name: "second", partitions: [{ ...esp, size: 10 * GIB }] };
  const both = [
    { disk: "main", partition: "ESP" },
    { disk: "second", partition: "ESP" },
  ];
  deepEqual(
    diskProblems({ disks: [layout, second] }).map(({ what, subjects }) => [what, subjects]),
    [
      ["two disks are on the device /dev/vda", [{ disk: "main" }, { disk: "second" }]],
      ["two filesystems are labelled BOOT", both],
      ["two filesystems are mounted on /boot", both],
    ],
  );
});
