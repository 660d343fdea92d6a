/** What survives a boot: where it lives, where it appears, whose it is. */
import { UserError } from "../modules/errors.ts";
import { isAbsolutePath } from "../modules/types.ts";
import type { SystemConfig } from "../system/options.ts";

export interface PersistencePlan {
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
  /** `auto` (files): bound when the source exists at boot, linked when it does not yet. */
  readonly how: "bind" | "symlink" | "auto";
  readonly user: string;
  readonly group: string;
  /** Octal, four digits. */
  readonly mode: string;
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
  const byPath = Map.groupBy(declared, (entry) => entry.path);
  const entries = [...byPath.values()].map((same) => united(same, problems));
  if (problems.length > 0) {
    throw new UserError(
      problems.length === 1 ? "an entry cannot be persisted" : `${problems.length} entries cannot be persisted`,
      problems,
    );
  }
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    entries: entries.map(({ parent: _parent, ...entry }) => entry),
    parents: parentsOf(entries, homes, config),
    keys: keysFolders(config, homes),
  };
}

/** Folders in which a persisted path would break the host, each with the reason. */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ["/proc", "it is the kernel's"],
  ["/sys", "it is the kernel's"],
  ["/dev", "it is the kernel's"],
  ["/run", "it is made anew by every boot, by intent"],
  ["/tmp", "what is there is temporary, by intent; persist a folder elsewhere"],
  ["/nix", "it survives anyway: it is a subvolume of its own"],
  ["/usr", "it comes with the closure, read-only"],
  ["/bin", "it comes with the closure, read-only"],
  ["/sbin", "it comes with the closure, read-only"],
  ["/lib", "it comes with the closure, read-only"],
  ["/lib64", "it comes with the closure, read-only"],
  ["/boot", "it survives anyway: it is a filesystem of its own"],
];

interface Home {
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

type Declared = PersistenceEntry & {
  readonly parent: { readonly user: string | null; readonly group: string | null; readonly mode: string | null };
};

type PersistenceRoots = SystemConfig["environment"]["persistence"];
type EntryLists = Pick<PersistenceRoots[string], "directories" | "files">;
type RootOptions = Pick<PersistenceRoots[string], "hideMounts" | "allowTrash" | "mountOptions">;

function declaredEntries(config: SystemConfig, homes: ReadonlyMap<string, Home>): Declared[] {
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
    mode: entry.mode.padStart(4, "0"),
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
    ...lists.files.map((entry) => ({ kind: "file" as const, how: entry.how, ...common(entry, entry.file) })),
  ];
}

/** What is wrong with one entry, each as one text. */
function problemsOf(entry: Declared, config: SystemConfig): string[] {
  const at = `${/\p{Cc}/u.test(entry.path) ? JSON.stringify(entry.path) : entry.path}: `;
  const declared = ` (declared at ${entry.declaredAt.join(", ")})`;
  const say = (text: string) => [`${at}${text}${declared}`];
  // Neither tmpfiles.d(5) nor a list with a line an entry can say these.
  if (/\p{Cc}/u.test(entry.path)) return say("a path cannot hold a newline or another control character");
  if (!entry.path.startsWith("/"))
    return say(`wants an absolute path; write /${entry.path}, or put it under \`users.<name>\``);
  if (entry.path.split("/").includes("..")) return say("`..` is not allowed; write the path that is meant");
  if (!isAbsolutePath(entry.path)) return say("wants a path without `.`, `//` and a final `/`");
  if (entry.path === "/")
    return say("the root itself cannot be persisted; that is what nixfleet.impermanence.enable = false is for");
  for (const [folder, reason] of [
    ...FORBIDDEN,
    ...persistRoots(config).map((root) => [root, "it survives anyway: it is a persist root"] as const),
  ]) {
    if (isWithin(entry.path, folder)) return say(`nothing below ${folder} can be persisted: ${reason}`);
  }
  const managed = managedFiles(config).find((file) => isWithin(file, entry.path));
  if (managed !== undefined) return say(`it would hide ${managed}, which the declaration manages`);
  return [];
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
  return { ...first, purpose, declaredAt: [...new Set(same.flatMap((entry) => entry.declaredAt))] };
}

function definition({ purpose: _purpose, declaredAt: _declaredAt, ...rest }: Declared): string {
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
    return { path, user, group, mode: path === home?.path ? "0700" : "0755" };
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
    parents.set(path, { path, user, group, mode: parent.mode?.padStart(4, "0") ?? usual.mode });
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

/** `/a/b/c` → `/a`, `/a/b` */
function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function persistRoots(config: SystemConfig): string[] {
  return [...new Set([...Object.keys(config.environment.persistence), ...Object.keys(config.home.persistence)])];
}

function managedFiles(config: SystemConfig): string[] {
  const etc = Object.entries(config.environment.etc).filter(([, file]) => file.enable);
  return [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/hostname",
    "/etc/systemd/system",
    "/var/lib/dpkg",
    ...etc.map(([name]) => `/etc/${name}`),
  ];
}

function homesOf(config: SystemConfig): Map<string, Home> {
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
