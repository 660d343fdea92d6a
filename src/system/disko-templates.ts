/** Disk layouts to start from. */
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

export interface LuksTemplateOptions extends UefiTemplateOptions {
  /** A file on the machine that formats, with the passphrase, which the host asks for at boot. */
  readonly passwordFile: string;
  /** Whether the TPM of the machine that is formatted opens it too. */
  readonly enrollTpm2?: boolean;
  /** Whether the disk is told what is free, and so, who reads it. */
  readonly allowDiscards?: boolean;
}

/** A btrfs layout whose root stays: `@root`, `@home` and `@nix`. */
export function btrfs(options: UefiTemplateOptions): Module {
  return template(btrfs, options, { ...esp(options), ...swap(options), root: btrfsRoot(options, LASTING) });
}

/** The same for a BIOS. */
export function btrfsBios(options: TemplateOptions): Module {
  return template(btrfsBios, options, { ...BIOS, ...swap(options), root: btrfsRoot(options, LASTING) });
}

/** A btrfs layout for an ephemeral root: `@root`, `@persist` and `@nix`. */
export function btrfsImpermanence(options: UefiTemplateOptions): Module {
  return template(btrfsImpermanence, options, {
    ...{ ...esp(options), ...swap(options) },
    root: btrfsRoot(options, EPHEMERAL),
  });
}

/** The same for a BIOS. */
export function btrfsImpermanenceBios(options: TemplateOptions): Module {
  return template(btrfsImpermanenceBios, options, {
    ...{ ...BIOS, ...swap(options) },
    root: btrfsRoot(options, EPHEMERAL),
  });
}

/** `btrfsImpermanence` encrypted, but for the ESP. Swap is a file inside. */
export function luksBtrfsImpermanence(options: LuksTemplateOptions): Module {
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

function esp({ espSize = "1G" }: UefiTemplateOptions) {
  const mountOptions = ["umask=0077"];
  const content = { type: "filesystem", format: "vfat", label: "ESP", mountpoint: "/boot", mountOptions };
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
