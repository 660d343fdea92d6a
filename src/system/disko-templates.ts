/** Disk layouts to start from. */
import { requireObject } from "../modules/arguments.ts";
import { type Module, moduleAt } from "../modules/module.ts";
import { callerOf } from "../modules/place.ts";

export interface TemplateOptions {
  /** The disk, such as /dev/vda. */
  readonly disk: string;
  /** The size of the root's partition; the rest of the disk unless said. */
  readonly rootSize?: string;
  /** The size of swap space; none unless said. */
  readonly swapSize?: string;
}

export interface UefiTemplateOptions extends TemplateOptions {
  /** The size of the EFI system partition, which holds the kernels of all generations; 1G unless said. */
  readonly espSize?: string;
}

export interface Raid1TemplateOptions extends Omit<UefiTemplateOptions, "disk" | "swapSize"> {
  /** Both disks, by names that stay: `/dev/disk/by-id/…`. */
  readonly disks: readonly [main: string, second: string];
}

export interface LuksTemplateOptions extends UefiTemplateOptions {
  /** A file on the machine that formats, with the passphrase, which the host asks for at boot. */
  readonly passwordFile: string;
  /** Whether the TPM of the machine that is formatted opens it too. */
  readonly enrollTpm2?: boolean;
  /** Whether to pass TRIM through; reveals which blocks are unused. */
  readonly allowDiscards?: boolean;
}

/** A btrfs layout whose root stays: `@root`, `@home` and `@nix`. */
export function btrfs(options: UefiTemplateOptions): Module {
  requireObject(options, "a disk template", btrfs);
  return template(btrfs, options, { ...esp(options), ...swap(options), root: btrfsRoot(options, LASTING) });
}

/** The same for a BIOS. */
export function btrfsBios(options: TemplateOptions): Module {
  requireObject(options, "a disk template", btrfsBios);
  return template(btrfsBios, options, { ...BIOS, ...swap(options), root: btrfsRoot(options, LASTING) });
}

/** A btrfs layout for an ephemeral root: `@root`, `@persist` and `@nix`. */
export function btrfsImpermanence(options: UefiTemplateOptions): Module {
  requireObject(options, "a disk template", btrfsImpermanence);
  return template(btrfsImpermanence, options, {
    ...{ ...esp(options), ...swap(options) },
    root: btrfsRoot(options, EPHEMERAL),
  });
}

/**
 * `btrfsImpermanence` on two disks (RAID 1), each of which boots without the other: the disks `main` and `second`. Without
 * one of them the host boots only when it is told to.
 */
export function btrfsRaid1Impermanence(options: Raid1TemplateOptions): Module {
  requireObject(options, "a disk template", btrfsRaid1Impermanence);
  const [main, second] = options.disks;
  const { rootSize = "100%" } = options;
  const extraArgs = ["-d", "raid1", "-m", "raid1", "/dev/disk/by-partlabel/disk-second-root"];
  const root = { type: "btrfs", label: "root", extraArgs, subvolumes: EPHEMERAL };
  const disk = {
    main: { device: main, content: { partitions: { ...esp(options), root: { size: rootSize, content: root } } } },
    second: {
      device: second,
      content: { partitions: { ...esp(options, "ESP2", "/boot2"), root: { size: rootSize } } },
    },
  };
  return moduleAt({ config: { disko: { devices: { disk } } } }, callerOf(btrfsRaid1Impermanence));
}

/** The same for a BIOS. */
export function btrfsImpermanenceBios(options: TemplateOptions): Module {
  requireObject(options, "a disk template", btrfsImpermanenceBios);
  return template(btrfsImpermanenceBios, options, {
    ...{ ...BIOS, ...swap(options) },
    root: btrfsRoot(options, EPHEMERAL),
  });
}

/** `btrfsImpermanence` encrypted, but for the ESP. Swap is a file inside. */
export function luksBtrfsImpermanence(options: LuksTemplateOptions): Module {
  requireObject(options, "a disk template", luksBtrfsImpermanence);
  const { passwordFile, enrollTpm2 = false, allowDiscards = false, rootSize = "100%", swapSize } = options;
  const swapFile =
    swapSize === undefined
      ? {}
      : { "@swap": { mountpoint: "/swap", mountOptions: NOATIME, swap: { swapfile: { size: swapSize } } } };
  return template(luksBtrfsImpermanence, options, {
    ...esp(options),
    luks: {
      size: rootSize,
      content: {
        ...{ type: "luks", name: "crypted", passwordFile, enrollTpm2 },
        settings: { allowDiscards },
        content: { type: "btrfs", label: "root", subvolumes: { ...EPHEMERAL, ...swapFile } },
      },
    },
  });
}

/** A root that stays, on ext4; the store is a folder in it. */
export function ext4(options: UefiTemplateOptions): Module {
  requireObject(options, "a disk template", ext4);
  const { rootSize = "100%" } = options;
  return template(ext4, options, {
    ...{ ...esp(options), ...swap(options) },
    root: {
      size: rootSize,
      content: { type: "filesystem", format: "ext4", label: "root", mountpoint: "/", mountOptions: NOATIME },
    },
  });
}

const NOATIME = ["noatime"];

const LASTING = {
  "@root": { mountpoint: "/", mountOptions: NOATIME },
  "@home": { mountpoint: "/home", mountOptions: NOATIME, neededForBoot: true },
  "@nix": { mountpoint: "/nix", mountOptions: NOATIME },
};

const EPHEMERAL = {
  "@root": { mountpoint: "/", mountOptions: NOATIME },
  "@persist": { mountpoint: "/persist", mountOptions: NOATIME, neededForBoot: true },
  "@nix": { mountpoint: "/nix", mountOptions: NOATIME },
};

/** GRUB's own partition. */
const BIOS = { bios: { size: "1M", type: "EF02" } };

function esp({ espSize = "1G" }: Pick<UefiTemplateOptions, "espSize">, label = "ESP", mountpoint = "/boot") {
  const mountOptions = ["umask=0077"];
  const content = { type: "filesystem", format: "vfat", label, mountpoint, mountOptions };
  return { ESP: { size: espSize, type: "EF00", content } };
}

function swap({ swapSize }: TemplateOptions) {
  if (swapSize === undefined) return {};
  return { swap: { size: swapSize, type: "8200", content: { type: "swap", resumeDevice: true } } };
}

function btrfsRoot({ rootSize = "100%" }: TemplateOptions, subvolumes: typeof LASTING | typeof EPHEMERAL) {
  return { size: rootSize, content: { type: "btrfs", label: "root", subvolumes } };
}

/** What it declares is told as declared where the template is called. */
function template(called: (options: never) => Module, { disk }: TemplateOptions, partitions: object): Module {
  const config = { disko: { devices: { disk: { main: { device: disk, content: { partitions } } } } } };
  return moduleAt({ config }, callerOf(called));
}
