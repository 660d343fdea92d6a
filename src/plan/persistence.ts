/** What survives a boot: where it lives, where it appears, whose it is. */
import type { Problem } from "../errors.ts";
import { isBelow } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import { agreed, agreedOptions, heldByPersons, wanted } from "./agreement.ts";
import { type Declared, declaredEntries } from "./declared-entries.ts";
import { type DiskPlan, mountedFilesystems } from "./disk-plan.ts";
import { entryProblems } from "./entry-problems.ts";
import type { FilePlan, SourcePlan } from "./file-plan.ts";
import { homesOf } from "./homes.ts";
import { hiddenBy } from "./managed.ts";
import { nestingProblems, outerEntry } from "./nesting.ts";
import { type AssumedOwner, ownersOf, unsafeWays } from "./owners.ts";
import { parentsOf } from "./parents.ts";
import { namedPersistRoots } from "./persist-roots.ts";
import type { KeysFolder, PersistenceEntry, PersistencePlan } from "./persistence-plan.ts";
import type { PlanProblem } from "./problem.ts";

/**
 * The entries of a configuration. A problem is every entry that cannot be: not absolute, below a place that no entry may
 * be in, declared twice in different ways, owned by somebody the host does not have.
 */
export function persistencePlan(
  config: SystemConfig,
  disk: DiskPlan,
  files: readonly (FilePlan | SourcePlan)[],
  problems: PlanProblem[],
): PersistencePlan {
  const filesystems = mountedFilesystems(disk);
  const all = heldByPersons(wanted(declaredEntries(config, problems)));
  // What is on a filesystem that a person mounts there survives anyway: the framework's own entry would hide it, or be hidden.
  const persons = new Set(all.filter(({ byFramework }) => !byFramework).map(({ path }) => path));
  const survives = (path: string) =>
    filesystems.some(({ mountpoint, neededForBoot }) =>
      neededForBoot ? path === mountpoint : path === mountpoint || isBelow(path, mountpoint),
    );
  const declared = all.filter(({ path }) => persons.has(path) || !survives(path));
  problems.push(...entryProblems(declared, config));
  const ownerOf = ownersOf(declared, config, problems);
  const byPath = new Map<string, PersistenceEntry>();
  for (const [path, same] of Map.groupBy(declared, (entry) => entry.path)) {
    byPath.set(path, united(path, same, ownerOf(path), problems));
  }
  const entries = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const parents = parentsOf(entries, ownerOf, config, disk);
  problems.push(...entries.flatMap((entry) => hidingProblems(entry, files)));
  problems.push(...entries.flatMap((entry) => nestingProblems(entry, byPath)), ...unsafeWays(entries, ownerOf));
  return {
    persistRoot: config.nixfleet.impermanence.persistRoot,
    roots: namedPersistRoots(config),
    entries: entries.map((entry) => {
      const holder = outerEntry(entry.path, byPath);
      return { ...entry, within: holder === undefined ? null : { path: holder.path, persistRoot: holder.persistRoot } };
    }),
    parents,
    ephemeral: [...new Set(config.nixfleet.impermanence.ephemeral)].sort(),
    keys: keysFolders(entries, config),
  };
}

function hidingProblems(entry: PersistenceEntry, files: readonly (FilePlan | SourcePlan)[]): Problem[] {
  const hidden = hiddenBy(entry, files);
  if (hidden === undefined) return [];
  const cannot = `${entry.path} cannot be persisted`;
  return [
    hidden === entry.path
      ? { what: `${cannot}: the declaration makes it at every boot`, at: entry.declaredAt, fix: "remove the entry" }
      : {
          what: `${cannot}: it would hide ${hidden}, which the declaration makes`,
          at: entry.declaredAt,
          fix: `persist paths beside ${hidden} instead`,
        },
  ];
}

function united(path: string, same: readonly Declared[], owner: AssumedOwner, problems: Problem[]): PersistenceEntry {
  const field = <T>(what: string, value: (one: Declared) => T | null) => agreed(path, what, same, value, problems);
  // Which of the two it is, no person can say otherwise than the framework: programs expect one.
  const kinds = same.length === 1 ? same : same.map((one) => ({ ...one, byFramework: false }));
  const kind = agreed(path, "kinds", kinds, (one) => one.kind, problems) ?? "directory";
  const persistRoot = field("persist roots", (one) => one.persistRoot) ?? "";
  return {
    kind,
    path,
    source: `${persistRoot}${path}`,
    persistRoot,
    // A program that saves by renaming cannot do so over a bind mount (rename(2), EBUSY); over a link it can.
    how: field("ways to place it", (one) => one.how) ?? (kind === "file" ? "symlink" : "bind"),
    ...owner,
    within: null,
    mountOptions: agreedOptions(path, same, problems),
    purpose: same.find((one) => one.purpose !== "")?.purpose ?? "",
    declaredAt: same.length === 1 ? (same[0]?.declaredAt ?? []) : [...new Set(same.flatMap((one) => one.declaredAt))],
    byFramework: same.every(({ byFramework }) => byFramework),
  };
}

function keysFolders(entries: readonly PersistenceEntry[], config: SystemConfig): KeysFolder[] {
  const home = homesOf(config).get(config.hostSpec.userName);
  if (home === undefined || !config.nixfleet.impermanence.enable) return [];
  const keys = entries.find(({ path }) => path === `${home.path}/.keys`);
  return keys === undefined ? [] : [{ path: keys.source, user: home.user, group: home.group }];
}
