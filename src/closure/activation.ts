/** What the boot of a host needs from its closure, rendered by others from its plan. */
import type { FilePlan } from "../plan/files.ts";
import type { HostPlan } from "../plan/host.ts";

/** Rendered when the pristine root is known: entries whose owner nobody declared then have what the packages ship. */
export type Activation = (plan: HostPlan) => ActivationFiles;

export interface ActivationFiles {
  /** Units, scripts and parameters, by absolute path in the initrd. */
  readonly initrd: readonly FilePlan[];
  /** tmpfiles.d(5), executed below the fresh root. */
  readonly tmpfiles: string;
  /** fstab(5), mounted below the fresh root. */
  readonly fstab: string;
  /** Other files at the top of the closure, by name. */
  readonly others?: Readonly<Record<string, string>>;
}
