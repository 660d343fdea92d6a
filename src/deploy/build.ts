/** A host's closure with all that belongs in it: the declared files, the initrd's, and those of the running host. */
import type { Activation } from "../closure/activation.ts";
import { type BuildOptions, buildClosure, type Closure } from "../closure/closure.ts";
import { hostFiles } from "../host/files.ts";
import { initrdFiles } from "../initrd/files.ts";
import { bindFstab, linkedFiles, ownersList, tmpfilesConfig } from "../plan/activation.ts";
import type { HostPlan } from "../plan/host.ts";

/** @throws UserError as buildClosure does */
export function buildHost(plan: HostPlan, options: BuildOptions): Promise<Closure> {
  const files = [...plan.files, ...hostFiles(plan)].sort((a, b) => (a.path < b.path ? -1 : 1));
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
  return buildClosure({ ...plan, files }, activation, options);
}
