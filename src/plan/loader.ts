/** Which boot loaders a host has: that follows from its disks. */
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
  const [biosBoot] = disk.disks.flatMap((layout) =>
    layout.partitions.flatMap(({ name, type }, index) => (type === "bios-boot" ? [{ name, number: index + 1 }] : [])),
  );
  return {
    esp: esp?.kind === "filesystem" ? esp.mountpoint : null,
    biosBoot: biosBoot ?? null,
    configurationLimit,
    timeout,
    tries,
  };
}

/** The Debian packages that they come in. */
export function loaderPackages({ esp, biosBoot }: LoaderPlan): readonly string[] {
  return [...(esp === null ? [] : ["systemd-boot", "systemd-boot-efi"]), ...(biosBoot === null ? [] : ["grub-pc-bin"])];
}
