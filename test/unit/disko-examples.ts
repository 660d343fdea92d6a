/**
 * The layouts of disko's own folder of examples, by their names there: their structure, rewritten. What is said of each in
 * docs/disks.md follows from it. `node test/unit/disko-examples.ts` writes that.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { problemsIn, UserError } from "../../src/errors.ts";
import { mkHost } from "../../src/index.ts";
import { diskWarnings } from "../../src/plan/disk-warnings.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { requireLoader } from "../../src/plan/loader.ts";

type Modules = Parameters<typeof mkHost>[0]["modules"];

const fs = (format: string, mountpoint: string, more: object = {}) => ({
  ...{ type: "filesystem", format, mountpoint },
  ...more,
});
const boot = fs("vfat", "/boot", { mountOptions: ["umask=0077"] });
const esp = (size: string) => ({ size, type: "EF00", content: boot });
const bios = { size: "1M", type: "EF02" };
const ext4Root = { size: "100%", content: fs("ext4", "/") };
const all = (content: object) => ({ size: "100%", content });
const gpt = (partitions: object, more: object = {}) => ({ type: "gpt", partitions, ...more });
const disk = (content: object, device = "/dev/vdb", more: object = {}) => ({ type: "disk", device, content, ...more });
const one = (partitions: object) => ({ disk: { main: disk(gpt(partitions)) } });
const two = (partitions: object, more: object) => ({
  disk: { disk1: disk(gpt(partitions), "/dev/sda"), disk2: disk(gpt(partitions), "/dev/sdb") },
  ...more,
});
const zfs = all({ type: "zfs", pool: "zroot" });
const zpool = {
  zroot: { type: "zpool", mountpoint: "/", datasets: { zfs_fs: { type: "zfs_fs", mountpoint: "/fs" } } },
};
const pv = (vg: string) => all({ type: "lvm_pv", vg });
const group = (lvs: object) => ({ type: "lvm_vg", lvs });
const member = (name: string) => all({ type: "mdraid", name });
const md = (level: number, content: object, more: object = {}) => ({ type: "mdadm", level, content, ...more });
const LEGACY_ROOT = { "part-type": "primary", bootable: true, content: fs("ext4", "/") };
const keyFile = "/tmp/secret.key";

export const EXAMPLES: Readonly<Record<string, object>> = {
  bcachefs: {
    disk: {
      vdb: disk(gpt({ vdb1: esp("100M"), vdb2: all({ type: "bcachefs", filesystem: "whole", label: "a.b" }) })),
      vdc: disk(gpt({ vdc1: all({ type: "bcachefs", filesystem: "whole", label: "a.c" }) }), "/dev/vdc"),
    },
    bcachefs_filesystems: { whole: { type: "bcachefs_filesystem", subvolumes: { root: { mountpoint: "/" } } } },
  },
  "boot-raid1": two(
    { BOOT: bios, ESP: { size: "500M", type: "EF00", content: member("boot").content }, mdadm: member("raid1") },
    { mdadm: { boot: md(1, boot, { metadata: "1.0" }), raid1: md(1, gpt({ primary: ext4Root })) } },
  ),
  "btrfs-only-root-subvolume": one({
    ESP: { priority: 1, name: "ESP", start: "1M", end: "128M", type: "EF00", content: boot },
    root: all({ type: "btrfs", extraArgs: ["-f"], mountpoint: "/", mountOptions: ["compress=zstd", "noatime"] }),
  }),
  "btrfs-subvolumes": one({
    ESP: { priority: 1, name: "ESP", start: "1M", end: "128M", type: "EF00", content: boot },
    root: all({
      ...{ type: "btrfs", extraArgs: ["-f"], mountpoint: "/partition-root" },
      subvolumes: {
        "/rootfs": { mountpoint: "/" },
        "/home": { mountpoint: "/home", mountOptions: ["compress=zstd"] },
        "/home/user": {},
        "/nix": { mountpoint: "/nix", mountOptions: ["compress=zstd", "noatime"] },
        "/test": {},
        "/swap": {
          mountpoint: "/.swapvol",
          swap: { swapfile: { size: "20M" }, swapfile2: { size: "20M", path: "rel-path" } },
        },
      },
      swap: { swapfile: { size: "20M" }, swapfile1: { size: "20M" } },
    }),
  }),
  complex: {
    disk: {
      disk0: disk(gpt({ ESP: { start: "1M", end: "128M", type: "EF00", content: boot } })),
      disk1: disk(
        gpt({
          luks: {
            start: "1M",
            ...all({ type: "luks", name: "c1", settings: { keyFile }, content: pv("pool").content }),
          },
        }),
        "/dev/vdc",
      ),
    },
    mdadm: { raid1: md(1, gpt({ bla: { start: "1M", ...all(fs("ext4", "/ext4_mdadm_lvm")) } })) },
    lvm_vg: {
      pool: group({
        root: { size: "10M", lvm_type: "mirror", content: fs("ext4", "/ext4_on_lvm", { postMountHook: "touch x" }) },
        raid1: { size: "30M", lvm_type: "raid0", content: member("raid1").content },
        raid2: { size: "30M", lvm_type: "raid0", content: member("raid1").content },
      }),
    },
    zpool,
  },
  f2fs: one({
    ESP: { end: "500M", type: "EF00", content: boot },
    root: {
      ...{ name: "root", end: "-0" },
      content: fs("f2fs", "/", {
        extraArgs: ["-O", "extra_attr,inode_checksum,sb_checksum,compression"],
        mountOptions: ["compress_algorithm=zstd:6,compress_chksum,atgc,gc_merge,lazytime,nodiscard"],
      }),
    },
  }),
  "gpt-bios-compat": one({ boot: { ...bios, attributes: [0] }, root: ext4Root }),
  "gpt-name-with-whitespace": one({
    ESP: esp("100M"),
    "name with spaces": { size: "100M", content: fs("vfat", "/name with spaces") },
    "name^with\\some@special#chars": { size: "100M", content: fs("vfat", "/name^with\\some@special#chars") },
    root: ext4Root,
  }),
  "gpt-unformatted": one({ ESP: esp("100M"), empty: { size: "1G" }, root: ext4Root }),
  "hybrid-mbr": {
    disk: {
      main: disk(
        gpt(
          {
            "TOW-BOOT-FI": {
              ...{ priority: 1, type: "EF00", size: "32M", content: { ...boot, mountpoint: null } },
              hybrid: { mbrPartitionType: "0x0c", mbrBootableFlag: false },
            },
            ...{ ESP: esp("512M"), root: ext4Root },
          },
          { efiGptPartitionFirst: false },
        ),
      ),
    },
  },
  "hybrid-tmpfs-on-root": {
    ...one({ boot: bios, ESP: { name: "ESP", ...esp("512M") }, nix: all(fs("ext4", "/nix")) }),
    nodev: { "/": { fsType: "tmpfs", mountOptions: ["size=2G", "defaults", "mode=755"] } },
  },
  hybrid: one({ boot: bios, ESP: esp("512M"), root: ext4Root }),
  "legacy-table-with-whitespace": {
    disk: {
      vdb: disk({
        ...{ type: "table", format: "gpt" },
        partitions: [
          { name: "ESP", start: "1MiB", end: "100MiB", bootable: true, content: fs("vfat", "/boot") },
          { name: "name with spaces", start: "100MiB", end: "200MiB", content: fs("vfat", "/name_with_spaces") },
          { ...{ name: "root", start: "200MiB", end: "100%" }, ...LEGACY_ROOT },
        ],
      }),
    },
  },
  "legacy-table": {
    disk: {
      main: disk({
        ...{ type: "table", format: "gpt" },
        partitions: [
          { name: "ESP", start: "1MiB", end: "100MiB", bootable: true, content: fs("vfat", "/boot") },
          { ...{ name: "root", start: "100MiB", end: "100%" }, ...LEGACY_ROOT },
        ],
      }),
    },
  },
  "long-device-name": {
    disk: {
      main: disk(gpt({ ESP: esp("500M"), root: ext4Root }), "/dev/disk/by-id/some-disk-id", {
        name: "this-is-some-super-long-name-to-test-what-happens-when-the-name-is-too-long",
      }),
    },
  },
  "luks-btrfs-raid": {
    disk: {
      disk1: disk(
        gpt({
          ESP: esp("512M"),
          crypt_p1: all({ type: "luks", name: "p1", settings: { allowDiscards: true, keyFile } }),
        }),
        "/dev/sda",
      ),
      disk2: disk(
        gpt({
          crypt_p2: all({
            ...{ type: "luks", name: "p2", settings: { allowDiscards: true, keyFile } },
            content: {
              ...{ type: "btrfs", extraArgs: ["-d raid1", "/dev/mapper/p1"] },
              subvolumes: { "/root": { mountpoint: "/", mountOptions: ["rw", "relatime", "ssd"] } },
            },
          }),
        }),
        "/dev/sdb",
      ),
    },
  },
  "luks-btrfs-subvolumes": one({
    ESP: esp("512M"),
    luks: all({
      ...{ type: "luks", name: "crypted", settings: { allowDiscards: true, keyFile } },
      additionalKeyFiles: ["/tmp/additionalSecret.key"],
      content: {
        ...{ type: "btrfs", extraArgs: ["-f"] },
        subvolumes: {
          "/root": { mountpoint: "/", mountOptions: ["compress=zstd", "noatime"] },
          "/home": { mountpoint: "/home" },
          "/nix": { mountpoint: "/nix" },
          "/swap": { mountpoint: "/.swapvol", swap: { swapfile: { size: "20M" } } },
        },
      },
    }),
  }),
  "luks-interactive-login": one({
    ESP: esp("500M"),
    luks: all({
      ...{ type: "luks", name: "crypted", settings: { allowDiscards: true }, passwordFile: keyFile },
      content: fs("ext4", "/"),
    }),
  }),
  "luks-lvm": {
    ...one({
      ESP: esp("500M"),
      luks: all({
        type: "luks",
        name: "crypted",
        extraOpenArgs: [],
        settings: { keyFile },
        content: pv("pool").content,
      }),
    }),
    lvm_vg: {
      pool: group({
        root: { size: "100M", content: fs("ext4", "/", { mountOptions: ["defaults"] }) },
        home: { size: "10M", content: fs("ext4", "/home") },
        raw: { size: "10M" },
      }),
    },
  },
  "luks-on-mdadm": two(
    { boot: bios, mdadm: member("raid1") },
    { mdadm: { raid1: md(1, { type: "luks", name: "crypted", settings: { keyFile }, content: fs("ext4", "/") }) } },
  ),
  "lvm-raid": two(
    { boot: { size: "100M", content: member("boot").content }, primary: pv("pool") },
    {
      mdadm: { boot: md(1, fs("vfat", "/boot"), { metadata: "1.0" }) },
      lvm_vg: {
        pool: group({
          root: { size: "100M", lvm_type: "mirror", content: fs("ext4", "/", { mountOptions: ["defaults"] }) },
          home: { size: "10M", lvm_type: "raid0", content: fs("ext4", "/home") },
        }),
      },
    },
  ),
  "lvm-sizes-sort": {
    ...one({ ESP: esp("500M"), primary: pv("pool") }),
    lvm_vg: {
      pool: group({
        ...{ aaa: { size: "1M" }, zzz: { size: "1M" } },
        root: { size: "100M", content: fs("ext4", "/", { mountOptions: ["defaults"] }) },
        home: { size: "100%FREE", content: fs("ext4", "/home") },
      }),
    },
  },
  "lvm-thin": {
    ...one({ ESP: esp("500M"), primary: pv("mainpool") }),
    lvm_vg: {
      mainpool: group({
        thinpool: { size: "100M", lvm_type: "thin-pool" },
        root: { size: "10M", lvm_type: "thinlv", pool: "thinpool", content: fs("ext4", "/") },
        home: { size: "10M", lvm_type: "thinlv", pool: "thinpool", content: fs("ext4", "/home") },
        raw: { size: "10M" },
      }),
    },
  },
  "mdadm-raid0": two({ boot: bios, mdadm: member("raid0") }, { mdadm: { raid0: md(0, gpt({ primary: ext4Root })) } }),
  "mdadm-raid5-args": two(
    { boot: bios, mdadm: member("raid5") },
    { mdadm: { raid5: md(5, gpt({ primary: ext4Root }), { extraArgs: ["--assume-clean"] }) } },
  ),
  mdadm: two({ boot: bios, mdadm: member("raid1") }, { mdadm: { raid1: md(1, gpt({ primary: ext4Root })) } }),
  "multi-device-no-deps": {
    disk: {
      disk0: disk(gpt({ nix: all(fs("ext4", "/a")) }), "/dev/vda"),
      disk1: disk(gpt({ root: all(fs("ext4", "/b")) }), "/dev/vdb"),
    },
  },
  "negative-size": { disk: { disk0: disk(gpt({ nix: { end: "-10M", content: fs("ext4", "/") } })) } },
  "non-root-zfs": {
    disk: {
      x: disk(gpt({ ESP: esp("64M"), root: ext4Root }), "/dev/sdx"),
      y: disk(gpt({ zfs }), "/dev/sdy"),
    },
    zpool,
  },
  "simple-efi": one({ ESP: esp("500M"), root: ext4Root }),
  "stand-alone/configuration": {
    disk: {
      sda: disk(
        {
          ...{ type: "table", format: "msdos" },
          partitions: [{ ...{ name: "root", start: "1M", end: "100%" }, ...LEGACY_ROOT }],
        },
        "/dev/sda",
      ),
    },
  },
  swap: one({
    ESP: esp("500M"),
    root: { end: "-1G", content: fs("ext4", "/") },
    encryptedSwap: { size: "10M", content: { type: "swap", randomEncryption: true, priority: 100 } },
    plainSwap: all({ type: "swap", discardPolicy: "both", resumeDevice: true }),
  }),
  tmpfs: {
    ...one({ ESP: esp("500M"), root: ext4Root }),
    nodev: { "/tmp": { fsType: "tmpfs", mountOptions: ["size=200M"] } },
  },
  "with-lib": { disk: { "/dev/vdb": disk(gpt({ boot: bios, root: ext4Root }), "/dev/vdb", { name: "_dev_vdb" }) } },
  "xfs-with-quota": one({ ESP: esp("500M"), root: all(fs("xfs", "/", { mountOptions: ["defaults", "pquota"] })) }),
  "zfs-encrypted-root": { ...one({ ESP: esp("1G"), zfs }), zpool },
  "zfs-over-legacy": {
    disk: {
      disk1: disk(gpt({ ESP: esp("500M"), primary: ext4Root })),
      disk2: disk({ type: "zfs", pool: "zroot" }, "/dev/vdc"),
    },
    zpool,
  },
  "zfs-with-vdevs": {
    disk: { data1: disk(gpt({ ESP: esp("64M"), zfs })), data2: disk(gpt({ zfs }), "/dev/vdc") },
    zpool,
  },
  zfs: { disk: { x: disk(gpt({ ESP: esp("64M"), zfs })), y: disk(gpt({ zfs }), "/dev/sdy") }, zpool },
};

/** @throws UserError where it cannot be made */
export function planOfExample(name: string): HostPlan {
  return planOfDevices(EXAMPLES[name] ?? {});
}

/** As a file of somebody else's, which the compiler has not seen. @throws UserError where it cannot be made */
export function planOfDevices(devices: object, ...more: readonly object[]): HostPlan {
  const modules = [{ disko: { devices } }, ...more] as unknown as Modules;
  const host = mkHost({ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules });
  host.evaluation.force();
  return host.plan();
}

export interface Outcome {
  readonly works: boolean;
  readonly why: string;
}

export function outcomeOf(name: string): Outcome {
  try {
    const plan = planOfExample(name);
    try {
      requireLoader(plan);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const why = "it has no boot loader, there as here, so it is formatted and mounted, but not booted";
      return { works: true, why: diskWarnings(plan.disk, plan.loader).join("; ") || why };
    }
    return { works: true, why: diskWarnings(plan.disk, plan.loader).join("; ") };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ what, fix } = { what: "", fix: "" }] = problemsIn(error);
    return { works: false, why: `${what}; ${fix}`.replace(/ = [[{].*?[}\]…]+: /, ": ") };
  }
}

export const DISKS_PAGE: string = join(import.meta.dirname, "..", "..", "docs", "disks.md");

const HEAD = "| disko's example | works | why, and what to write |\n| --- | --- | --- |\n";

/** The page with the table as the code has it. */
export function withExampleTable(page: string): string {
  const rows = Object.keys(EXAMPLES)
    .sort()
    .map((name) => {
      const { works, why } = outcomeOf(name);
      return `| \`${name}\` | ${works ? "yes" : "no"} | ${why.replaceAll("|", "\\|")} |\n`;
    });
  return page.replace(/^\| disko's example \|.*\n(\|.*\n)*/m, () => `${HEAD}${rows.join("")}`);
}

if (import.meta.main) writeFileSync(DISKS_PAGE, withExampleTable(readFileSync(DISKS_PAGE, "utf8")));
