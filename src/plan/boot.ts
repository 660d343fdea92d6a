/** What the kernel and the initrd are told. */
import { byLabel, type MountedFilesystem } from "../layout/content-type.ts";
import { crypttabLine } from "../layout/luks.ts";
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, encryptedContents, mountedFilesystems, usedSwaps } from "./disk.ts";
import type { PersistencePlan } from "./persistence.ts";
import { isWithin } from "./refusals.ts";

export interface BootPlan {
  /** Besides `root=` and the like, which follow from `mounts`: `["console=ttyS0"]`. */
  readonly kernelParameters: readonly string[];
  /** Loaded in the initrd, before the root device is looked for. */
  readonly initrdKernelModules: readonly string[];
  /** Lines of crypttab(5) that the initrd opens before it looks for the root device. */
  readonly crypttab: readonly string[];
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
  const mounts = mountedFilesystems(disk).filter(({ neededForBoot }) => neededForBoot);
  const root = mounts.find(({ mountpoint }) => mountpoint === "/");
  if (root === undefined) throw nothingAt("/");
  const store = mounts.some(({ mountpoint }) => mountpoint === "/nix");
  // Of an ephemeral root the wipe leaves nothing.
  if (!store && config.nixfleet.impermanence.enable) throw nothingAt("/nix");
  return {
    kernelParameters: [
      ...usedSwaps(disk).flatMap(({ source, resume }) => (resume ? [`resume=${source}`] : [])),
      ...config.boot.kernelParams,
    ],
    initrdKernelModules: config.boot.initrd.kernelModules,
    crypttab: encryptedContents(disk).flatMap(({ luks, early }) =>
      early ? [crypttabLine(luks, null, ["x-initrd.attach"])] : [],
    ),
    mounts: [...mounts.map(bootMount), ...(store ? [] : [STORE_IN_ROOT])],
  };
}

/** Filesystems that only the running host mounts: the ESP, and subvolumes that nothing early needs. */
export function lateMounts(disk: DiskPlan): readonly BootMount[] {
  return mountedFilesystems(disk)
    .filter(({ neededForBoot }) => !neededForBoot)
    .map(bootMount);
}

/** @throws UserError where a filesystem that only the running host mounts would hide what is persisted below it */
export function refuseHidden(disk: DiskPlan, { entries }: PersistencePlan): void {
  for (const { mountpoint } of lateMounts(disk)) {
    const hidden = entries.find(({ path }) => isWithin(path, mountpoint));
    if (hidden === undefined) continue;
    throw new UserError(
      `${mountpoint} is mounted after ${hidden.path} is placed there, so it would hide what persists`,
      [
        `${hidden.path} is declared at ${hidden.declaredAt.join(", ")}`,
        `give the filesystem that is mounted on ${mountpoint} neededForBoot: true`,
      ],
    );
  }
}

/** A folder of the root that stays; bound, so that it can be read-only as any other store. */
const STORE_IN_ROOT: BootMount = {
  mountpoint: "/nix",
  device: "/sysroot/nix",
  fsType: "none",
  options: ["bind", "ro"],
};

function nothingAt(mountpoint: string): UserError {
  return new UserError(`no disk has a filesystem with the mountpoint ${mountpoint}, so the host cannot boot`, [
    'add a disk template to the host\'s modules: diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" })',
  ]);
}

function bootMount({ mountpoint, label, fsType, subvolume, mountOptions }: MountedFilesystem): BootMount {
  return {
    mountpoint,
    device: byLabel(label),
    fsType,
    // The store is immutable: nothing on the running host writes to it by accident.
    options: [
      ...(subvolume === null ? [] : [`subvol=${subvolume}`]),
      ...(mountpoint === "/nix" ? ["ro"] : []),
      ...mountOptions,
    ],
  };
}
