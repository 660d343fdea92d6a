/** The plan of a host: everything that the rooms to the right need to know, as plain JSON. */
import type { BootPlan } from "./boot.ts";
import type { DiskPlan } from "./disk.ts";
import type { FilePlan } from "./files.ts";
import type { PackagesPlan } from "./packages.ts";
import type { PersistencePlan } from "./persistence.ts";
import type { UsersPlan } from "./users.ts";
import type { WipePlan } from "./wipe.ts";

export type Platform = "x86_64-linux" | "aarch64-linux";

export interface HostPlan {
  readonly hostName: string;
  readonly platform: Platform;
  readonly packages: PackagesPlan;
  /** Sorted by path; parents before children. */
  readonly files: readonly FilePlan[];
  readonly users: UsersPlan;
  readonly persistence: PersistencePlan;
  /** `null` where the root is not ephemeral. */
  readonly wipe: WipePlan | null;
  readonly disk: DiskPlan;
  readonly boot: BootPlan;
}
