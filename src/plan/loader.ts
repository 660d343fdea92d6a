/** Which boot loaders a host has: that follows from its disks. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import type { DiskPlan } from "./disk.ts";

export interface LoaderPlan {
  /** Where the EFI system partition is mounted, which holds systemd-boot; `null`: UEFI does not boot this host. */
  readonly esp: string | null;
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
  const partitions = disk.disks.flatMap((layout) => layout.partitions);
  const esp = partitions.find(({ type }) => type === "esp")?.content;
  return {
    esp: esp?.kind === "filesystem" ? esp.mountpoint : null,
    biosBoot: biosBootPlan(disk),
    configurationLimit,
    timeout,
    tries,
  };
}

/** @throws UserError for a host that no firmware could boot from its disk */
export function requireLoader({ hostName, loader }: { readonly hostName: string; readonly loader: LoaderPlan }): void {
  if (loader.esp !== null || loader.biosBoot !== null) return;
  throw new UserError(`${hostName} has no boot loader, so it could not boot from its disk`, [
    'a UEFI boots from a partition of type EF00 with content { type: "filesystem", format: "vfat", mountpoint: "/boot" }',
    "a BIOS boots from a partition of type EF02, of 1M, and a btrfs with a subvolume @nix",
    "every disk template has one of these",
  ]);
}

/** GRUB reads kernels from the store, which its image knows as the subvolume @nix of the disk that it boots from. */
function biosBootPlan({ disks }: DiskPlan): BiosBootPlan | null {
  const layout = disks.find(({ partitions }) => partitions.some(({ type }) => type === "bios-boot"));
  if (layout === undefined) return null;
  const readable = layout.partitions.some(
    ({ content }) =>
      content?.kind === "btrfs" &&
      content.subvolumes.some(({ name, mountpoint }) => name === "@nix" && mountpoint === "/nix"),
  );
  if (!readable) {
    throw new UserError(`GRUB on the disk ${layout.name} could not read the store`, [
      "it boots from a btrfs that is not encrypted, on the same disk, with a subvolume @nix mounted at /nix",
      "use diskoTemplates.btrfsImpermanenceBios or btrfsBios, or remove the partition of type EF02",
    ]);
  }
  const index = layout.partitions.findIndex(({ type }) => type === "bios-boot");
  return { name: layout.partitions[index]?.name ?? "", number: index + 1 };
}

/** The Debian packages that they come in, and that a host puts itself onto another disk with. */
export function loaderPackages({ esp, biosBoot }: LoaderPlan): readonly string[] {
  if (esp === null && biosBoot === null) return [];
  return [
    "fdisk",
    ...(esp === null ? [] : ["dosfstools", "systemd-boot", "systemd-boot-efi"]),
    ...(biosBoot === null ? [] : ["grub-pc-bin"]),
  ];
}
