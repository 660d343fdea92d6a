/** The plan of a host: everything that the rooms to the right need to know, as plain JSON. */
import type { SystemConfig } from "../system/options.ts";
import { type BootPlan, bootPlan, refuseHidden } from "./boot.ts";
import { type DiskPlan, diskPlan } from "./disk.ts";
import { type FilePlan, filesPlan } from "./files.ts";
import { type LoaderPlan, loaderPlan } from "./loader.ts";
import { type PackagesPlan, packagesPlan } from "./packages.ts";
import { type PersistencePlan, persistencePlan } from "./persistence.ts";
import { type UsersPlan, usersPlan } from "./users.ts";
import { type WipePlan, wipePlan } from "./wipe.ts";

export type Platform = SystemConfig["hostSpec"]["platform"];

export interface HostPlan {
  readonly hostName: string;
  readonly platform: Platform;
  readonly packages: PackagesPlan;
  /** Sorted by path. */
  readonly files: readonly FilePlan[];
  readonly users: UsersPlan;
  readonly persistence: PersistencePlan;
  /** `null` where the root is not ephemeral. */
  readonly wipe: WipePlan | null;
  readonly disk: DiskPlan;
  readonly boot: BootPlan;
  readonly loader: LoaderPlan;
}

/** @throws UserError for whatever no host could be made of */
export function hostPlan(config: SystemConfig): HostPlan {
  const disk = diskPlan(config);
  const loader = loaderPlan(config, disk);
  const persistence = persistencePlan(config);
  refuseHidden(disk, persistence);
  return {
    hostName: config.hostSpec.hostName,
    platform: config.hostSpec.platform,
    packages: packagesPlan(config, disk, loader),
    files: filesPlan(config, disk),
    users: usersPlan(config),
    persistence,
    wipe: wipePlan(config, disk),
    disk,
    boot: bootPlan(config, disk),
    loader,
  };
}
