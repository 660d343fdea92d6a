/** What the kernel and the initrd are told. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, type MountedFilesystem, mountedFilesystems } from "./disk.ts";

export interface BootPlan {
  /** Besides `root=` and the like, which follow from `mounts`: `["console=ttyS0"]`. */
  readonly kernelParameters: readonly string[];
  /** Loaded in the initrd, before the root device is looked for. */
  readonly initrdKernelModules: readonly string[];
  /** The filesystems that the initrd mounts below `/sysroot`, the root first. */
  readonly mounts: readonly BootMount[];
}

export interface BootMount {
  /** On the running host: `/`, `/nix`, `/persist`. */
  readonly mountpoint: string;
  /** `/dev/disk/by-label/root` */
  readonly device: string;
  readonly fsType: string;
  readonly options: readonly string[];
}

/** @throws UserError where nothing is mounted at `/` or `/nix` */
export function bootPlan(config: SystemConfig, disk: DiskPlan): BootPlan {
  const needed = neededForBoot(config);
  const mounts = mountedFilesystems(disk).filter(({ mountpoint }) => needed.has(mountpoint));
  for (const mountpoint of ["/", "/nix"]) {
    if (!mounts.some((mount) => mount.mountpoint === mountpoint)) {
      throw new UserError(`no disk has a btrfs subvolume with the mountpoint ${mountpoint}, so the host cannot boot`, [
        'add a disk template to the host\'s modules: diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" })',
      ]);
    }
  }
  return {
    kernelParameters: config.boot.kernelParams,
    initrdKernelModules: config.boot.initrd.kernelModules,
    mounts: mounts.map(bootMount),
  };
}

/** Filesystems that only the running host mounts: the ESP, and subvolumes that nothing early needs. */
export function lateMounts(config: SystemConfig, disk: DiskPlan): readonly BootMount[] {
  const needed = neededForBoot(config);
  return mountedFilesystems(disk)
    .filter(({ mountpoint }) => !needed.has(mountpoint))
    .map(bootMount);
}

function bootMount({ mountpoint, label, fsType, subvolume, mountOptions }: MountedFilesystem): BootMount {
  return {
    mountpoint,
    device: `/dev/disk/by-label/${label}`,
    fsType,
    // The store is immutable: nothing on the running host writes to it by accident.
    options: [
      ...(subvolume === null ? [] : [`subvol=${subvolume}`]),
      ...(mountpoint === "/nix" ? ["ro"] : []),
      ...mountOptions,
    ],
  };
}

function neededForBoot(config: SystemConfig): Set<string> {
  const mountpoints = Object.values(config.disko.devices.disk).flatMap((disk) =>
    Object.values(disk.content.partitions).flatMap(({ content }) =>
      Object.values(content.subvolumes).flatMap(({ mountpoint, neededForBoot }) =>
        mountpoint !== null && neededForBoot ? [mountpoint] : [],
      ),
    ),
  );
  return new Set(mountpoints);
}
