/** What the boot of a host needs from its closure, rendered by others from its plan. */
import type { MadeFilePlan } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";

/** Rendered when the pristine root is known: entries whose owner nobody declared then have what the packages ship. */
export type Activation = (plan: HostPlan) => ActivationFiles;

export interface ActivationFiles {
  /** Units, scripts and parameters, by absolute path in the initrd. */
  readonly initrd: readonly MadeFilePlan[];
  /** Files at the top of the closure, by name: docs/architecture.md says what is in each. */
  readonly texts: Readonly<Record<string, string>>;
}
