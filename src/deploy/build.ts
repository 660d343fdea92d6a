/** A host's closure with all that belongs in it: the declared files, the initrd's, and those of the running host. */
import type { Activation } from "../closure/activation.ts";
import { type BuildOptions, buildClosure, type Closure, findClosure } from "../closure/closure.ts";
import { hostFiles } from "../host/files.ts";
import { initrdFiles } from "../initrd/files.ts";
import { bindFstab, linkedFiles, ownersList, tmpfilesConfig } from "../plan/activation.ts";
import type { HostPlan } from "../plan/host.ts";

/** @throws UserError as buildClosure does */
export function buildHost(plan: HostPlan, options: BuildOptions): Promise<Closure> {
  return buildClosure(withHostFiles(plan), activation, options);
}

/** A host's closure, if it is built as it is declared and locked now. */
export function findHost(
  plan: HostPlan,
  options: Pick<BuildOptions, "fleetFolder" | "cache">,
): Promise<Closure | null> {
  return findClosure(withHostFiles(plan), activation, options);
}

function withHostFiles(plan: HostPlan): HostPlan {
  return { ...plan, files: [...plan.files, ...hostFiles(plan)].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

const activation: Activation = (plan) => ({
  initrd: initrdFiles(plan),
  tmpfiles: tmpfilesConfig(plan.persistence),
  fstab: bindFstab(plan.persistence),
  others: {
    "files.list": linkedFiles(plan.persistence),
    "owners.list": ownersList(plan.persistence),
    // What `changes.sh` compares.
    "persists.list": plan.persistence.entries.map(({ path }) => `${path}\n`).join(""),
  },
});
