/** The wipe in the initrd, and the pruning on the running host. */
import { join } from "node:path";
import { type MadeFilePlan, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { spreadFilesystems } from "../../plan/members.ts";
import { mountAt, subvolumeAt } from "./mounts.ts";
import { conf, readStatic, relation, scripts, UNITS, unitFile } from "./pieces.ts";

/** The script that `nixfleet wipe` runs, with a file of `scriptParameters` as its argument. */
export const WIPE_SCRIPT: string = join(import.meta.dirname, "wipe.sh");

export function wipeFiles(plan: HostPlan): MadeFilePlan[] {
  const parameters = wipeParameters(plan);
  if (plan.wipe === null || parameters === null) return [];
  return [
    ...scripts("/usr/lib/nixfleet", "filesystem.sh", "old-roots.sh", "room.sh", "take-back.sh", "wipe.sh", "prune.sh"),
    conf("/etc/nixfleet/wipe.conf", {
      ...parameters,
      LABEL_LINK: mountAt(plan, "/")?.device ?? "",
      NIX_SUBVOLUME: subvolumeAt(plan, "/nix"),
    }),
    unitFile("nixfleet-wipe.service"),
    unitFile("nixfleet-room.service"),
    relation("nixfleet-activate.service", "wants", "nixfleet-room.service"),
    textFile(`${UNITS}/nixfleet-activate.service.d/made.conf`, [readStatic("nixfleet-activate-made.conf").trimEnd()]),
    ...(plan.wipe.onFailure === "halt"
      ? [
          relation("sysroot.mount", "requires", "nixfleet-wipe.service"),
          textFile(`${UNITS}/nixfleet-wipe.service.d/halt.conf`, [readStatic("nixfleet-wipe-halt.conf").trimEnd()]),
        ]
      : [relation("sysroot.mount", "wants", "nixfleet-wipe.service")]),
  ];
}

function wipeParameters({ wipe, disk }: HostPlan): Readonly<Record<string, string | number>> | null {
  if (wipe === null) return null;
  return {
    LABEL: wipe.label,
    ROOT_SUBVOLUME: wipe.subvolume,
    RETENTION_DAYS: wipe.retentionDays,
    KEEP_NEWEST: wipe.keepNewest,
    ON_FAILURE: wipe.onFailure,
    KERNEL_COMMAND_LINE: "/proc/cmdline",
    MOUNT_OPTIONS: spreadFilesystems(disk.disks).some(({ label }) => label === wipe.label) ? "degraded" : "",
  };
}

/** They prune what the wipe leaves. */
export function pruneFiles(plan: HostPlan): readonly MadeFilePlan[] {
  const parameters = wipeParameters(plan);
  if (parameters === null) return [];
  return [
    ...scripts("/etc/nixfleet", "filesystem.sh", "old-roots.sh", "room.sh", "take-back.sh", "prune.sh"),
    conf("/etc/nixfleet/wipe.conf", parameters),
    unitFile("nixfleet-prune.service"),
    relation("multi-user.target", "wants", "nixfleet-prune.service"),
  ];
}
