/** Every entry that modules declare, with its defaults filled in: whose it is, where it lives. */
import { UserError } from "../modules/errors.ts";
import { isAbsolutePath } from "../modules/types.ts";
import type { SystemConfig } from "../system/options.ts";
import type { PersistenceEntry } from "./persistence.ts";

export interface Home {
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

export type Declared = Omit<PersistenceEntry, "within"> & {
  readonly parent: { readonly user: string | null; readonly group: string | null; readonly mode: string | null };
};

type PersistenceRoots = SystemConfig["environment"]["persistence"];
type EntryLists = Pick<PersistenceRoots[string], "directories" | "files">;
type RootOptions = Pick<PersistenceRoots[string], "hideMounts" | "allowTrash" | "mountOptions">;

/** @throws UserError for a persist root that is none, or a user that the host does not have */
export function declaredEntries(config: SystemConfig, homes: ReadonlyMap<string, Home>): Declared[] {
  const entries: Declared[] = [];
  for (const [persistRoot, root] of Object.entries(config.environment.persistence)) {
    if (!root.enable) continue;
    if (!isAbsolutePath(persistRoot) || persistRoot === "/") throw badPersistRoot("environment", persistRoot);
    entries.push(...entriesOf(root, persistRoot, root, undefined));
    for (const [user, lists] of Object.entries(root.users)) {
      const home = homes.get(user);
      if (home === undefined)
        throw unknownUser(`environment.persistence.${JSON.stringify(persistRoot)}.users`, user, homes);
      entries.push(...entriesOf(lists, persistRoot, root, home));
    }
  }
  for (const [persistRoot, root] of Object.entries(config.home.persistence)) {
    if (!root.enable) continue;
    if (!isAbsolutePath(persistRoot) || persistRoot === "/") throw badPersistRoot("home", persistRoot);
    const home = homes.get(config.hostSpec.userName);
    if (home === undefined) throw unknownUser("hostSpec.userName", config.hostSpec.userName, homes);
    entries.push(...entriesOf(root, persistRoot, root, home));
  }
  return entries;
}

function entriesOf(lists: EntryLists, persistRoot: string, root: RootOptions, home: Home | undefined): Declared[] {
  const rootOptions = [
    ...(root.hideMounts ? ["x-gvfs-hide"] : []),
    ...(root.allowTrash ? ["x-gvfs-trash"] : []),
    ...root.mountOptions,
  ];
  const whole = (written: string) =>
    home === undefined || written.startsWith("/") ? written : `${home.path}/${written}`;
  const common = (entry: EntryLists["directories"][number] | EntryLists["files"][number], written: string) => ({
    path: whole(written),
    source: `${persistRoot}${whole(written)}`,
    persistRoot,
    user: entry.user ?? home?.user ?? "root",
    group: entry.group ?? (entry.user === null || entry.user === home?.user ? (home?.group ?? "root") : entry.user),
    mode: (entry.mode ?? ("file" in entry ? "0644" : "0755")).padStart(4, "0"),
    asShipped: home === undefined && entry.user === null && entry.group === null && entry.mode === null,
    mountOptions: [...new Set([...rootOptions, ...entry.mountOptions])],
    purpose: entry.purpose,
    declaredAt: [...new Set(entry.declaredAt)],
    parent: entry.parent,
  });
  return [
    ...lists.directories.map((entry) => ({
      kind: "directory" as const,
      how: entry.how,
      ...common(entry, entry.directory),
    })),
    ...lists.files.map((entry) => ({
      kind: "file" as const,
      // A program that saves by renaming cannot do so over a bind mount (rename(2), EBUSY); over a link it can.
      how: entry.how === "auto" ? ("symlink" as const) : entry.how,
      ...common(entry, entry.file),
    })),
  ];
}

/** By user name; root's among them. */
export function homesOf(config: SystemConfig): Map<string, Home> {
  const homes = new Map<string, Home>([["root", { path: "/root", user: "root", group: "root" }]]);
  for (const user of Object.values(config.users.users))
    homes.set(user.name, { path: user.home, user: user.name, group: user.name === "root" ? "root" : user.group });
  return homes;
}

function badPersistRoot(where: string, root: string): UserError {
  return new UserError(`${where}.persistence: ${JSON.stringify(root)} is not a persist root`, [
    "wanted an absolute path such as /persist",
  ]);
}

function unknownUser(where: string, user: string, homes: ReadonlyMap<string, Home>): UserError {
  return new UserError(`${where}: the host has no user ${user}`, [
    `declare users.users.${user}; declared are ${[...homes.keys()].sort().join(", ")}`,
  ]);
}
