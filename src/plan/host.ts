/** The plan of a host: everything that the rooms to the right need to know, as plain JSON. */
import type { SystemConfig } from "../system/options.ts";
import { type BootPlan, bootPlan, hiddenProblems } from "./boot.ts";
import { checkDeclaration } from "./checks/all.ts";
import { diskPlan } from "./disk.ts";
import type { DiskPlan } from "./disk-plan.ts";
import type { FilePlan, SourcePlan } from "./file-plan.ts";
import { filesPlan, sourcesPlan } from "./files.ts";
import { grubProblems, type LoaderPlan, loaderPlan } from "./loader.ts";
import { type PackagesPlan, packagesPlan } from "./packages.ts";
import { persistencePlan } from "./persistence.ts";
import type { PersistencePlan } from "./persistence-plan.ts";
import { attempt, type PlanProblem } from "./problem.ts";
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
  /** Whether it has Node and the fleet's own programs. */
  readonly runtime: boolean;
  /** Files to read from the fleet's folder, if there are any. */
  readonly own?: OwnPlan;
}

export interface OwnPlan {
  readonly sources: readonly SourcePlan[];
  /** Package files, by their paths from there. */
  readonly debs: readonly string[];
}

/**
 * The plan as far as it can be made; it counts only where `problems` stay empty. Each part finds its own, whatever is wrong
 * with the others.
 */
export function hostPlan(config: SystemConfig, problems: PlanProblem[]): HostPlan | undefined {
  checkDeclaration(config, problems);
  const part = <T>(make: () => T) => attempt(problems, make);
  const disk = part(() => diskPlan(config, problems));
  // Without its disks, what depends on them can say nothing more of a host.
  const known = disk ?? NO_DISKS;
  const files = part(() => filesPlan(config, known));
  const own = { sources: sourcesPlan(config), debs: config.nixfleet.debian.debs };
  const persistence = part(() => persistencePlan(config, known, [...(files ?? []), ...own.sources], problems));
  const users = part(() => usersPlan(config, problems));
  if (disk === undefined) return undefined;
  if (persistence !== undefined) problems.push(...hiddenProblems(disk, persistence));
  const loader = part(() => loaderPlan(config, disk));
  const boot = part(() => bootPlan(config, disk));
  const wipe = part(() => wipePlan(config, disk, problems));
  const packages = loader && part(() => packagesPlan(config, disk, loader));
  if (loader === undefined || boot === undefined) return undefined;
  problems.push(...grubProblems(loader, boot));
  if (!files || !persistence || !users || !packages || wipe === undefined) return undefined;
  const { hostName, platform } = config.hostSpec;
  const runtime = config.nixfleet.runtime.enable;
  const isOwn = own.sources.length + own.debs.length > 0;
  const plan = { hostName, platform, packages, files, users, persistence, wipe, disk, boot, loader, runtime };
  return isOwn ? { ...plan, own } : plan;
}

const NO_DISKS: DiskPlan = { disks: [], nodev: [] };
