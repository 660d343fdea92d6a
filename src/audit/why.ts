/** What becomes of a path of a host at its next boot, by its plan alone: the host need not run. */

import { isWithin } from "../paths.ts";
import type { HostPlan } from "../plan/host.ts";

export interface Why {
  readonly path: string;
  /** As the host's own `nixfleet why` has it. */
  readonly fate: "kept" | "closure" | "ephemeral" | "lost" | "elsewhere";
  readonly because: string;
}

/** @param path absolute, without `.` and `..` */
export function whyOf(path: string, { persistence, files, boot, wipe }: HostPlan): Why {
  const entry = persistence.entries.findLast((one) => isWithin(path, one.path));
  if (entry !== undefined) {
    const purpose = entry.purpose === "" ? "" : `, for ${entry.purpose}`;
    const places = entry.declaredAt.length === 0 ? "" : `, declared at ${entry.declaredAt.join(", ")}`;
    const data = `${entry.persistRoot}${path}`;
    return kept(path, `persists: by the entry ${entry.path}${places}${purpose}; its data is ${data}`);
  }
  const root = persistence.roots.findLast((one) => isWithin(path, one.path))?.path;
  if (root !== undefined || isWithin(path, persistence.persistRoot)) {
    return kept(path, `is on the persist root ${root ?? persistence.persistRoot}`);
  }
  if (isWithin(path, "/usr")) return { path, fate: "closure", because: "is of the packages, read-only" };
  const mount = boot.mounts
    .filter(({ mountpoint }) => mountpoint !== "/")
    .find((one) => isWithin(path, one.mountpoint));
  if (mount !== undefined) {
    const because = `is on ${mount.mountpoint}, another filesystem than the root: a boot leaves it alone`;
    return { path, fate: "elsewhere", because };
  }
  if (/^\/(run|tmp|dev|proc|sys)(\/|$)/.test(path)) {
    return { path, fate: "lost", because: "is in memory, or cleared at each boot" };
  }
  const file = files.find((one) => one.path === path);
  if (file !== undefined) return { path, fate: "closure", because: "is declared: every boot creates it" };
  if (wipe === null) return kept(path, "is on the root, and the root of this host stays");
  for (const [folders, why] of [
    [persistence.ephemeral, "declared ephemeral"] as const,
    [CACHES, "for caches"] as const,
  ]) {
    const free = folders.find((one) => isWithin(path, one));
    if (free !== undefined) {
      return { path, fate: "ephemeral", because: `goes at each boot, and is meant to: ${free} is ${why}` };
    }
  }
  return {
    path,
    fate: "lost",
    because: "is not persisted: the next boot removes what is written there, and restores what packages ship",
  };
}

/** As in Makers.pm, which knows the homes of accounts too. */
const CACHES = ["/var/cache", "/var/tmp"];

function kept(path: string, because: string): Why {
  return { path, fate: "kept", because };
}
