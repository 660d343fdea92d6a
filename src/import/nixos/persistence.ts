/** What persists on a NixOS host, as entries here. */
import type { Exported, ExportedEntry } from "./exported.ts";
import type { Value } from "./typescript.ts";

export interface Persistence {
  /** For `environment.persistence`. */
  readonly roots: Value;
  /** Of entries that are not their owner's own. */
  readonly groups: readonly string[];
  readonly lost: readonly string[];
}

/** Whose a path may be. */
export interface Owners {
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

interface Home {
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

export function persistenceFrom({ persistence, users }: Exported, owners: Owners): Persistence {
  const lost: string[] = [];
  const homes = Object.entries(users).map(([user, { home, group }]) => ({ path: home, user, group }));
  const seen = new Set<string>();
  const taken = (entry: ExportedEntry, root: string): boolean => {
    if (seen.has(entry.path)) return true;
    seen.add(entry.path);
    const refused = [...REFUSED, root].find((folder) => entry.path === folder || entry.path.startsWith(`${folder}/`));
    if (refused !== undefined) lost.push(`${entry.path} does not persist here: nothing below ${refused} can`);
    if (/^\/etc\/ssh\/ssh_host_/.test(entry.path))
      lost.push(`${entry.path}: here the server has its keys in /etc/ssh/host-keys, so copy them there`);
    return refused !== undefined;
  };
  const roots = [...Map.groupBy(persistence, ({ path }) => path)].map(([root, lists]) => {
    const directories = lists.flatMap((list) => list.directories).filter((entry) => !taken(entry, root));
    const files = lists.flatMap((list) => list.files).filter((entry) => !taken(entry, root));
    const inside =
      ({ path }: Home) =>
      (entry: ExportedEntry) =>
        entry.path.startsWith(`${path}/`);
    const isOutside = (entry: ExportedEntry) => !homes.some((home) => inside(home)(entry));
    const below = homes.flatMap((home): [string, Value][] => {
      const of = entryLists(directories.filter(inside(home)), files.filter(inside(home)), home, owners, lost);
      return of === undefined ? [] : [[home.user, of]];
    });
    const own = entryLists(directories.filter(isOutside), files.filter(isOutside), NOBODY, owners, lost);
    return [root, { ...own, users: below.length === 0 ? undefined : Object.fromEntries(below) }] as const;
  });
  const all = persistence.flatMap(({ directories, files }) => [...directories, ...files]);
  const groups = all.flatMap(({ group, parent }) => [group, parent.group]).filter((group) => group != null);
  return {
    groups: [...new Set(groups)].filter((group) => owners.groups.has(group)),
    roots: roots.length === 0 ? undefined : Object.fromEntries(roots),
    lost,
  };
}

const NOBODY: Home = { path: "", user: "root", group: "root" };

/** As docs/persistence.md has them. */
const REFUSED = ["/proc", "/sys", "/dev", "/run", "/tmp", "/nix", "/usr", "/boot"];

function entryLists(
  directories: readonly ExportedEntry[],
  files: readonly ExportedEntry[],
  home: Home,
  owners: Owners,
  lost: string[],
): { readonly [name: string]: Value } | undefined {
  if (directories.length + files.length === 0) return undefined;
  const one =
    (kind: "directory" | "file") =>
    (entry: ExportedEntry): Value => {
      const path = home.path === "" ? entry.path : entry.path.slice(home.path.length + 1);
      const { user, group, mode } = ownedFrom(entry, entry.path, home, kind === "file" ? "0644" : "0755", owners, lost);
      const parent = ownedFrom(entry.parent, entry.path, home, "0755", owners, lost);
      const how = entry.how === "auto" || (kind === "directory" && entry.how === "bind") ? undefined : entry.how;
      const said = {
        ...{ how, user, group, mode },
        parent: Object.values(parent).some((value) => value !== undefined) ? parent : undefined,
        mountOptions: entry.mountOptions.length === 0 || how === "symlink" ? undefined : entry.mountOptions,
      };
      return Object.values(said).every((value) => value === undefined) ? path : { [kind]: path, ...said };
    };
  return {
    directories: directories.length === 0 ? undefined : directories.map(one("directory")),
    files: files.length === 0 ? undefined : files.map(one("file")),
  };
}

type Owned = {
  readonly user?: string | undefined;
  readonly group?: string | null | undefined;
  readonly mode?: string | undefined;
};

/** What is not as it is by itself. */
function ownedFrom(said: Owned, path: string, home: Home, usualMode: string, owners: Owners, lost: string[]): Owned {
  const known = (kind: keyof Owners, name: string | null | undefined, usual: string) => {
    if (name == null || name === usual) return undefined;
    if (owners[kind].has(name) || /^[0-9]+$/.test(name)) return name;
    if (kind === "groups" && name === said.user) return undefined;
    lost.push(
      `${path} belongs to ${name}, whom the host does not have here: if a package brings that name, say so in users.package${kind === "users" ? "Users" : "Groups"}`,
    );
    return undefined;
  };
  const user = known("users", said.user, home.user);
  const group = known("groups", said.group, user === undefined ? home.group : user);
  return { user, group, mode: said.mode === undefined || said.mode === usualMode ? undefined : said.mode };
}
