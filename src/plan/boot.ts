/** The plan of the boot: parameters and mounts for the kernel and the initrd. */

import { ProblemsError } from "../errors.ts";
import { byLabel, type MountedFilesystem } from "../layout/content-type.ts";
import { crypttabLine } from "../layout/luks.ts";
import { isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, encryptedContents, mountedFilesystems, usedSwaps } from "./disk-plan.ts";
import type { PersistencePlan } from "./persistence-plan.ts";
import type { PlanProblem } from "./problem.ts";

export interface BootPlan {
  /** Besides `root=` and the like, which follow from `mounts`: `["console=ttyS0"]`. */
  readonly kernelParameters: readonly string[];
  /** Loaded in the initrd, before the root device is looked for. */
  readonly initrdKernelModules: readonly string[];
  /** Who gets into emergency mode in the initrd: nobody, everybody, or people with the password of this hash. */
  readonly emergencyAccess: boolean | string;
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
  /** The btrfs subvolume that is mounted, as in `options`: `@nix`; `null`: the whole filesystem. */
  readonly subvolume: string | null;
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
    emergencyAccess: config.boot.initrd.systemd.emergencyAccess,
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

/** Where a filesystem would hide persisted data, or persisted data a filesystem. */
export function hiddenProblems(disk: DiskPlan, { entries }: PersistencePlan): PlanProblem[] {
  const problems: PlanProblem[] = [];
  for (const { mountpoint, fsType, declaredAt } of disk.nodev) {
    const hidden = entries.find(({ path }) => isWithin(path, mountpoint));
    if (hidden === undefined) continue;
    problems.push({
      what: `disko.devices.nodev: the ${fsType} on ${mountpoint} would hide ${hidden.path}, which persists`,
      at: [...declaredAt, ...hidden.declaredAt],
      fix: "remove one of them",
    });
  }
  for (const { mountpoint } of lateMounts(disk)) {
    const hidden = entries.find(({ path }) => isWithin(path, mountpoint));
    if (hidden === undefined) continue;
    problems.push({
      what: `${mountpoint} is mounted after ${hidden.path} is placed there, so it would hide what persists`,
      at: hidden.declaredAt,
      fix: `give the filesystem that is mounted on ${mountpoint} neededForBoot: true`,
    });
  }
  // What is bound there is bound over it; what is mounted late is mounted over that.
  for (const { mountpoint, neededForBoot } of mountedFilesystems(disk)) {
    if (!neededForBoot) continue;
    const over = entries.find(({ path, how }) => path === mountpoint || (how === "bind" && isWithin(mountpoint, path)));
    if (over === undefined) continue;
    problems.push({
      what: `${over.path} is persisted, which would hide the filesystem that is mounted on ${mountpoint}`,
      at: over.declaredAt,
      fix: `what is on a filesystem of its own survives anyway: remove the entry, or the mountpoint ${mountpoint}`,
    });
  }
  return problems;
}

/**
 * The store is immutable: nothing on the running host writes to it by accident. And it holds set-user-ID programs of
 * generations that do not run, with whatever was mended since: only those in /usr raise privileges (activate.sh).
 */
const STORE_OPTIONS = ["ro", "nosuid", "nodev"];

/** A folder of the root that stays; bound, so that it has its own options as any other store. */
const STORE_IN_ROOT: BootMount = {
  mountpoint: "/nix",
  device: "/sysroot/nix",
  fsType: "none",
  subvolume: null,
  options: ["bind", ...STORE_OPTIONS],
};

function nothingAt(mountpoint: string): ProblemsError {
  return new ProblemsError([
    {
      what: `no disk has a filesystem with the mountpoint ${mountpoint}, so the host cannot boot`,
      at: [],
      fix: 'add a disk template to the host\'s modules: diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" })',
    },
  ]);
}

function bootMount({ mountpoint, label, fsType, subvolume, mountOptions, members }: MountedFilesystem): BootMount {
  // udev holds back an incomplete filesystem until members.sh releases it; its mount must then allow that.
  const degraded = members.length > 0 && !mountOptions.includes("degraded") ? ["degraded"] : [];
  return {
    mountpoint,
    device: byLabel(label),
    fsType,
    subvolume,
    options: [
      ...(subvolume === null ? [] : [`subvol=${subvolume}`]),
      ...mountOptions,
      ...degraded,
      ...(mountpoint === "/nix" ? STORE_OPTIONS : []),
    ],
  };
}
