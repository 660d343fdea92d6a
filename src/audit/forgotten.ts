/** What services that run on a host would lose at its next boot, though nobody said that it may go. */
import { isBelow, isWithin } from "../paths.ts";
import type { PersistencePlan } from "../plan/persistence-plan.ts";
import { type HostTree, hostTree } from "./host-tree.ts";
import { type KeptPath, keptPaths } from "./kept-paths.ts";
import { enabledUnits } from "./units.ts";

export interface Forgotten {
  readonly path: string;
  /** A cache is made again by who needs it. */
  readonly kind: "state" | "log" | "cache";
  /** Units that keep something there; sorted. */
  readonly services: readonly string[];
  readonly because: readonly string[];
  /** TypeScript, for `directories` of that persist root. */
  readonly entry: string;
  readonly persistRoot: string;
}

/**
 * @param closure the folder of a closure in the local cache
 * @param ephemeral paths that may go, with all below them
 * @returns sorted by service and path; of a path and one below it, the upper one
 */
export function forgottenState(
  closure: string,
  plan: PersistencePlan,
  ephemeral: readonly string[],
): readonly Forgotten[] {
  const tree = hostTree(closure);
  const known = [...plan.entries.map(({ path }) => path), ...ephemeral];
  const services = enabledUnits(tree).filter(({ name }) => name.endsWith(".service"));
  const lost = keptPaths(services, tree).filter(
    ({ path, countsInParts }) =>
      !known.some((folder) => isWithin(path, folder)) &&
      !(countsInParts && known.some((folder) => isBelow(folder, path))),
  );
  const paths = new Set(lost.map(({ path }) => path));
  const upper = [...paths].filter((path) => !lost.some((other) => isBelow(path, other.path)));
  return upper
    .map((path) =>
      forgotten(
        path,
        lost.filter((one) => isWithin(one.path, path)),
        tree,
        plan.persistRoot,
      ),
    )
    .sort(byService);
}

function forgotten(path: string, lost: readonly KeptPath[], tree: HostTree, persistRoot: string): Forgotten {
  return {
    path,
    kind: path.startsWith("/var/cache/") ? "cache" : path.startsWith("/var/log/") ? "log" : "state",
    services: [...new Set(lost.flatMap(({ services }) => services))].sort(),
    because: [...new Set(lost.map(({ because }) => because))],
    entry: entryFor(
      path,
      lost.filter((one) => one.path === path),
      tree,
    ),
    persistRoot,
  };
}

/** A package's folder gives owner and mode, and systemd sees to its own; the rest has to belong to the service's user. */
function entryFor(path: string, lost: readonly KeptPath[], tree: HostTree): string {
  if (lost.some(({ isPrivate }) => isPrivate)) return JSON.stringify(path);
  const user = lost.find((one) => one.user !== null)?.user ?? null;
  const bySystemd = lost.some(({ because }) => /^(State|Logs|Cache)Directory=$/.test(because));
  if (user === null || bySystemd || tree.stats(path) !== null) return JSON.stringify(path);
  return `{ directory: ${JSON.stringify(path)}, user: ${JSON.stringify(user)}, mode: "0750" }`;
}

function byService(a: Forgotten, b: Forgotten): number {
  const key = ({ services, path }: Forgotten) => `${services[0] ?? ""}\0${path}`;
  return key(a) < key(b) ? -1 : 1;
}
