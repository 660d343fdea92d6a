/** What survives a boot: where it lives, where it appears, whose it is. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { type Declared, declaredEntries, type Home, homesOf } from "./declared-entries.ts";
import { foldersAbove, nestingProblems, type Outer, outerEntry } from "./nesting.ts";
import { isWithin, problemsOf } from "./refusals.ts";

export interface PersistencePlan {
  /** Where the framework keeps what it has to remember: `/persist`. */
  readonly persistRoot: string;
  /** Sorted by path; no two have the same. */
  readonly entries: readonly PersistenceEntry[];
  /** Folders above entries, on the persist roots and on the fresh root alike, that are made where they are missing; sorted. */
  readonly parents: readonly PersistenceParent[];
  /** Homes on the persist root whose `.keys` are given to their user. */
  readonly keys: readonly KeysFolder[];
}

export interface PersistenceEntry {
  readonly kind: "directory" | "file";
  /** Where the host sees it: `/var/log`. */
  readonly path: string;
  /** Where its data lives: `/persist/var/log`. */
  readonly source: string;
  readonly persistRoot: string;
  /** A bind mount of the data, or a link to it. */
  readonly how: "bind" | "symlink";
  readonly user: string;
  readonly group: string;
  /** Octal, four digits. */
  readonly mode: string;
  /** Whether nobody declared user, group or mode: then those count that the host's packages give it, if they have it. */
  readonly asShipped: boolean;
  /**
   * Another entry that this one lies in. Where both have one persist root, the outer one holds it already, and it is
   * redundant: its data is made as declared, and no more.
   */
  readonly within: Outer | null;
  /** Options of the bind mount, besides `bind`. */
  readonly mountOptions: readonly string[];
  /** What it is for, in a few words; empty if nobody said. */
  readonly purpose: string;
  /** Each `file:line` of a module that declares it. */
  readonly declaredAt: readonly string[];
}

export interface PersistenceParent {
  readonly path: string;
  readonly user: string;
  readonly group: string;
  readonly mode: string;
  /** The primary user's home: its owner is set even where it exists already. */
  readonly ensured: boolean;
}

export interface KeysFolder {
  /** `/persist/home/alice/.keys` */
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

/**
 * The entries of a configuration.
 * @throws UserError with every entry that cannot be: not absolute, below a place that no entry may be in, declared
 *   twice in different ways, owned by somebody the host does not have
 */
export function persistencePlan(config: SystemConfig): PersistencePlan {
  const homes = homesOf(config);
  const declared = declaredEntries(config, homes);
  const problems = declared.flatMap((entry) => problemsOf(entry, config));
  const same = Map.groupBy(declared, (entry) => entry.path);
  const byPath = new Map([...same].map(([path, entries]) => [path, united(entries, problems)]));
  const entries = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  problems.push(...entries.flatMap((entry) => nestingProblems(entry, byPath)));
  if (problems.length > 0) {
    throw new UserError(
      problems.length === 1 ? "an entry cannot be persisted" : `${problems.length} entries cannot be persisted`,
      problems,
    );
  }
  return {
    persistRoot: config.nixfleet.impermanence.persistRoot,
    entries: entries.map(({ parent: _parent, ...entry }) => {
      const holder = outerEntry(entry.path, byPath);
      return { ...entry, within: holder === undefined ? null : { path: holder.path, persistRoot: holder.persistRoot } };
    }),
    parents: parentsOf(entries, homes, config),
    keys: keysFolders(config, homes),
  };
}

function united(same: readonly Declared[], problems: string[]): Declared {
  const [first, ...others] = same;
  if (first === undefined) throw new Error("an entry without a declaration");
  const different = others.find((other) => definition(other) !== definition(first));
  if (different !== undefined) {
    problems.push(
      `${first.path}: declared in two ways, at ${first.declaredAt.join(", ")} and at ${different.declaredAt.join(", ")}: make them alike, or remove one`,
    );
  }
  const purpose = same.find((entry) => entry.purpose !== "")?.purpose ?? "";
  const asShipped = same.every((entry) => entry.asShipped);
  return { ...first, asShipped, purpose, declaredAt: [...new Set(same.flatMap((entry) => entry.declaredAt))] };
}

function definition({ purpose: _purpose, declaredAt: _declaredAt, asShipped: _asShipped, ...rest }: Declared): string {
  return JSON.stringify(rest);
}

/** Every folder above an entry: the user's inside a home, root's elsewhere, or as `parent` of the entry says. */
function parentsOf(
  entries: readonly Declared[],
  homes: ReadonlyMap<string, Home>,
  config: SystemConfig,
): PersistenceParent[] {
  const parents = new Map<string, PersistenceParent>();
  const homeList = [...homes.values()];
  const standard = (path: string): PersistenceParent => {
    const home = homeList.find((candidate) => isWithin(path, candidate.path));
    const { user, group } = home ?? { user: "root", group: "root" };
    const ensured = path === homes.get(config.hostSpec.userName)?.path;
    return { path, user, group, mode: path === home?.path ? "0700" : "0755", ensured };
  };
  for (const entry of entries) {
    for (const path of foldersAbove(entry.path)) parents.set(path, parents.get(path) ?? standard(path));
  }
  for (const { path: entryPath, parent } of entries) {
    const path = foldersAbove(entryPath).at(-1);
    if (path === undefined || (parent.user === null && parent.group === null && parent.mode === null)) continue;
    const usual = standard(path);
    const user = parent.user ?? usual.user;
    const group = parent.group ?? (parent.user === null ? usual.group : parent.user);
    parents.set(path, { ...usual, user, group, mode: parent.mode?.padStart(4, "0") ?? usual.mode });
  }
  const home = homes.get(config.hostSpec.userName);
  if (home !== undefined && config.nixfleet.impermanence.enable) {
    for (const path of [...foldersAbove(home.path), home.path]) parents.set(path, parents.get(path) ?? standard(path));
  }
  return [...parents.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function keysFolders(config: SystemConfig, homes: ReadonlyMap<string, Home>): KeysFolder[] {
  const home = homes.get(config.hostSpec.userName);
  if (home === undefined || !config.nixfleet.impermanence.enable) return [];
  return [
    { path: `${config.nixfleet.impermanence.persistRoot}${home.path}/.keys`, user: home.user, group: home.group },
  ];
}
