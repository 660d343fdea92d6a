/** What persists, by the paths and owners that it has on NixOS. */
import type { HostPlan } from "../../plan/host.ts";
import type { PersistenceEntry, PersistenceParent } from "../../plan/persistence-plan.ts";
import type { PathsOnNixos } from "../../scopes/on-nixos.ts";
import type { Accounts } from "./accounts.ts";

export interface Entries {
  /** By persist root. */
  readonly roots: ReadonlyMap<string, readonly PersistenceEntry[]>;
  readonly parents: readonly PersistenceParent[];
  readonly lost: readonly string[];
}

/** @param paths where NixOS keeps what Debian has elsewhere */
export function entriesOnNixos({ persistence }: HostPlan, paths: PathsOnNixos, accounts: Accounts): Entries {
  const lost: string[] = [];
  const byPath = new Map<string, PersistenceEntry>();
  for (const entry of persistence.entries) {
    const place = Object.hasOwn(paths, entry.path) ? paths[entry.path] : {};
    if (place === null || place === undefined) continue;
    const path = place.path ?? entry.path;
    const [user, group] = [place.user ?? entry.user, place.group ?? accounts.group(entry.group)];
    for (const name of [accounts.missingUser(user), group === null ? entry.group : accounts.missingGroup(group)]) {
      if (name === null) continue;
      lost.push(`${path} belongs to ${name}, whom NixOS has not: declare that account, or another owner`);
    }
    // systemd reads these characters otherwise, and neither module escapes them.
    if (/[%\s"'\\]/.test(path))
      lost.push(
        `${JSON.stringify(path)} does not persist as it is called: give it a name without %, blanks, quotes and backslashes`,
      );
    const source = `${entry.persistRoot}${path}`;
    byPath.set(path, { ...entry, path, source, user, group: group ?? "root", mode: place.mode ?? entry.mode });
  }
  const assumed = [...byPath.values()].filter(
    ({ byFramework, assumed: fields, user, kind }) =>
      !byFramework && kind === "directory" && user === "root" && fields.includes("user"),
  );
  if (assumed.length > 0) {
    const paths = assumed.map(({ path }) => path).join(", ");
    lost.push(
      `nobody declares an owner of ${paths}: here that is whom Debian's package gives it, there root, or whom the service's StateDirectory= gives it`,
    );
  }
  const all = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const entries = all.filter((entry) => {
    // A link in what is persisted already would lead to itself.
    const isHeld = entry.within?.persistRoot === entry.persistRoot && entry.kind === "file";
    if (isHeld)
      lost.push(`${entry.path} persists with ${entry.within?.path}, and is not made with an owner and mode of its own`);
    return !isHeld;
  });
  return {
    roots: Map.groupBy(entries, ({ persistRoot }) => persistRoot),
    parents: persistence.parents.filter(({ path }) => all.some((entry) => entry.path.startsWith(`${path}/`))),
    lost,
  };
}
