/** Which boot loaders a host has: that follows from its disks. */
import { ProblemsError, UserError } from "../errors.ts";
import type { PartitionLayout } from "../layout/gpt.ts";
import type { SystemConfig } from "../system/options.ts";
import type { BootPlan } from "./boot.ts";
import type { DiskPlan } from "./disk-plan.ts";
import type { PlanProblem } from "./problem.ts";

export interface LoaderPlan {
  /**
   * Where the EFI system partitions are mounted, which hold systemd-boot, each all of it; empty: UEFI does not boot this
   * host.
   */
  readonly esps: readonly string[];
  /** The partition that holds GRUB; `null`: a BIOS does not boot this host. */
  readonly biosBoot: BiosBootPlan | null;
  /** How many generations stay in the boot menu. */
  readonly configurationLimit: number;
  /** How long the menu waits, in seconds. */
  readonly timeout: number;
  /** How often a generation may fail before it is passed over. */
  readonly tries: number;
}

export interface BiosBootPlan {
  /** The GPT partition name. */
  readonly name: string;
  /** Counted from 1. */
  readonly number: number;
}

export function loaderPlan(config: SystemConfig, disk: DiskPlan): LoaderPlan {
  const { configurationLimit, timeout, tries } = config.boot.loader;
  const esps = disk.disks.flatMap((layout) => layout.partitions.flatMap(espMountpoint));
  return {
    esps,
    biosBoot: biosBootPlan(disk, esps),
    configurationLimit,
    timeout,
    tries,
  };
}

/** The mountpoint of an ESP for kernels: an ESP that is not mounted belongs to something else. */
export function espMountpoint({ type, content }: PartitionLayout): readonly string[] {
  return type === "esp" && content?.kind === "filesystem" && content.mountpoint !== null ? [content.mountpoint] : [];
}

/** @throws UserError for a host that no firmware could boot from its disk */
export function requireLoader({ hostName, loader }: { readonly hostName: string; readonly loader: LoaderPlan }): void {
  if (loader.esps.length > 0 || loader.biosBoot !== null) return;
  throw new UserError(`${hostName} has no boot loader, so it could not boot from its disk`, [
    'a UEFI boots from a partition of type EF00 with content { type: "filesystem", format: "vfat", mountpoint: "/boot" }',
    "a BIOS boots from a partition of type EF02, of 1M, and a btrfs with a subvolume @nix",
    "every disk template has one of these",
  ]);
}

/** Parameters that GRUB does not hand to the kernel as they are: it writes a backslash before these. */
export function grubProblems({ biosBoot }: LoaderPlan, { kernelParameters }: BootPlan): PlanProblem[] {
  if (biosBoot === null) return [];
  const changed = kernelParameters.filter((parameter) => /['\\]/.test(parameter));
  return changed.map((parameter) => ({
    what: `GRUB cannot hand the kernel parameter ${parameter} to the kernel: it writes a backslash before each \\ and '`,
    at: [],
    fix: "write it without them, or boot this host by UEFI",
    option: ["boot", "kernelParams", { element: parameter }],
  }));
}

/**
 * GRUB reads kernels from the store, which its image knows as the subvolume @nix of the disk that it boots from. Where it
 * cannot, and a UEFI boots the host, its partition stays empty: `diskWarnings` says so.
 */
function biosBootPlan({ disks }: DiskPlan, esps: readonly string[]): BiosBootPlan | null {
  const layout = disks.find(({ partitions }) => partitions.some(({ type }) => type === "bios-boot"));
  if (layout === undefined) return null;
  const readable = layout.partitions.some(
    ({ content }) =>
      content?.kind === "btrfs" &&
      content.subvolumes.some(({ name, mountpoint }) => name === "@nix" && mountpoint === "/nix"),
  );
  if (!readable && esps.length > 0) return null;
  if (!readable) {
    const problem: PlanProblem = {
      what: `GRUB on the disk ${layout.name} could not read the store: it boots from a btrfs that is not encrypted, on the same disk, with a subvolume @nix mounted at /nix`,
      at: [],
      fix: "use diskoTemplates.btrfsImpermanenceBios or btrfsBios, name the subvolume so, or boot by UEFI: a partition of type EF00",
      option: ["disko", "devices", "disk", layout.name],
    };
    throw new ProblemsError([problem]);
  }
  const index = layout.partitions.findIndex(({ type }) => type === "bios-boot");
  return { name: layout.partitions[index]?.name ?? "", number: index + 1 };
}

/** The Debian packages that they come in, and that a host puts itself onto another disk with. */
export function loaderPackages({ esps, biosBoot }: LoaderPlan): readonly string[] {
  if (esps.length === 0 && biosBoot === null) return [];
  return [
    "fdisk",
    ...(esps.length === 0 ? [] : ["dosfstools", "systemd-boot", "systemd-boot-efi"]),
    ...(biosBoot === null ? [] : ["grub-pc-bin"]),
  ];
}
