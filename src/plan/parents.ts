/** The folders above entries. */

import { foldersAbove } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import type { DiskPlan } from "./disk-plan.ts";
import { hiddenHomes } from "./home-mounts.ts";
import { homesOf } from "./homes.ts";
import type { AssumedOwner } from "./owners.ts";
import type { PersistenceEntry, PersistenceParent } from "./persistence-plan.ts";

/** Whose each is, `ownerOf` says. Sorted by path. */
export function parentsOf(
  entries: readonly PersistenceEntry[],
  ownerOf: (path: string) => AssumedOwner,
  config: SystemConfig,
  disk: DiskPlan,
): PersistenceParent[] {
  const rootOf = new Map(entries.map(({ path, persistRoot }) => [path, persistRoot]));
  const on = new Map<string, Set<string>>();
  const add = (path: string, root: string) => on.set(path, (on.get(path) ?? new Set()).add(root));
  for (const { path, persistRoot } of entries) {
    let place = "";
    for (const folder of foldersAbove(path)) {
      const own = rootOf.get(folder);
      // An entry makes itself, where its data is and where it appears; entries inside it are placed in it.
      if (own !== persistRoot) add(folder, persistRoot);
      if (own === undefined) add(folder, place);
      else place = own;
    }
  }
  const home = homesOf(config).get(config.hostSpec.userName)?.path;
  if (home !== undefined && config.nixfleet.impermanence.enable) {
    const { persistRoot } = config.nixfleet.impermanence;
    const needed = [...foldersAbove(home), home].filter((path) => !rootOf.has(path));
    for (const path of needed) for (const root of ["", persistRoot]) add(path, root);
  }
  const made = hiddenHomes(config, disk).filter(
    ({ path, early }) => early && ![...foldersAbove(path), path].some((folder) => rootOf.has(folder)),
  );
  for (const { path } of made) for (const folder of [...foldersAbove(path), path]) add(folder, "");
  return [...on]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, roots]) => {
      const owner = ownerOf(path);
      const closed = owner.assumed.includes("mode") && owner.user === "root" && isClosed(owner.mode);
      const fromSkeleton = made.some((one) => one.path === path);
      return { path, ...owner, on: [...roots].sort(), ensured: path === home, closed, fromSkeleton };
    });
}

/** Whether a folder's mode lets in fewer than the usual one. */
export function isClosed(mode: string): boolean {
  return (Number.parseInt(mode, 8) & 0o755) !== 0o755;
}
