/** Every entry as modules declare it; `null` for what they leave out. */
import type { ValuePath } from "../modules/defined-at.ts";
import { isByFramework } from "../modules/place.ts";
import type { SystemConfig } from "../system/options.ts";
import { type Home, homesOf } from "./homes.ts";
import { octalMode } from "./mode.ts";
import { isPersistRoot, withoutHome } from "./persist-roots.ts";
import type { PlanProblem } from "./problem.ts";

/** One declaration of one entry. */
export interface Declared extends Saying {
  readonly enable: boolean;
  readonly kind: "directory" | "file";
  /** Without `.` and slashes that say nothing; relative outside of a home, if it is so written. */
  readonly path: string;
  readonly persistRoot: string;
  readonly how: "bind" | "symlink" | null;
  /** The user in whose list it stands. */
  readonly home: Home | undefined;
  readonly mountOptions: readonly string[];
  readonly purpose: string;
  readonly parent: Saying;
}

/** The owner and mode that a declaration gives a path. */
export interface Saying {
  readonly user: string | null;
  readonly group: string | null;
  /** Octal, four digits. */
  readonly mode: string | null;
  /** Each `file:line` of a module that says so. */
  readonly declaredAt: readonly string[];
  /** Whether a module of this project says so, and no person. */
  readonly byFramework: boolean;
}

type PersistenceRoots = SystemConfig["environment"]["persistence"];
type EntryLists = Pick<PersistenceRoots[string], "directories" | "files">;
type RootOptions = Omit<PersistenceRoots[string], "users">;

/** Problems are invalid persist roots, and users that the host does not have. */
export function declaredEntries(config: SystemConfig, problems: PlanProblem[]): Declared[] {
  const homes = homesOf(config);
  const entries: Declared[] = [];
  const isRoot = (option: ValuePath, { enable, persistentStoragePath: path }: RootOptions) => {
    if (!enable) return false;
    if (!isPersistRoot(path)) problems.push(badPersistRoot(option, path));
    return isPersistRoot(path);
  };
  for (const [name, root] of Object.entries(config.environment.persistence)) {
    const option = ["environment", "persistence", name];
    if (!isRoot(option, root)) continue;
    entries.push(...entriesOf(root, root, undefined));
    for (const [key, lists] of Object.entries(root.users)) {
      const user = lists.username;
      const home = homes.get(user);
      const whose = [...option, "users", key];
      if (home === undefined) {
        problems.push(unknownUser(whose, user, homes));
        continue;
      }
      if (lists.home !== null && lists.home !== home.path) problems.push(otherHome(whose, user, lists.home, home));
      entries.push(
        ...entriesOf(lists, { ...root, mountOptions: [...root.mountOptions, ...lists.commonMountOptions] }, home),
      );
    }
  }
  for (const [name, root] of Object.entries(config.home.persistence)) {
    const option = ["home", "persistence", name];
    if (!isRoot(option, root)) continue;
    const home = homes.get(config.hostSpec.userName);
    if (home === undefined) {
      problems.push(unknownUser(["hostSpec", "userName"], config.hostSpec.userName, homes));
      continue;
    }
    const persistentStoragePath = withoutHome(root.persistentStoragePath, home);
    entries.push(...entriesOf(root, { ...root, persistentStoragePath }, home));
  }
  return entries;
}

function entriesOf(lists: EntryLists, root: RootOptions, home: Home | undefined): Declared[] {
  const rootOptions = [
    ...(root.hideMounts ? ["x-gvfs-hide"] : []),
    ...(root.allowTrash ? ["x-gvfs-trash"] : []),
    ...root.mountOptions,
    ...root.commonMountOptions,
  ];
  const common = (entry: EntryLists["directories"][number] | EntryLists["files"][number], written: string) => {
    const declaredAt = [...new Set(entry.declaredAt)];
    const byFramework = declaredAt.every(isByFramework);
    const said = { declaredAt, byFramework };
    const [one, other] = [entry.parent, entry.parentDirectory];
    const [user, group] = [one.user ?? other.user, one.group ?? other.group];
    const mode = one.mode ?? other.mode;
    return {
      ...said,
      enable: entry.enable,
      path: wholePath(written, home),
      persistRoot: root.persistentStoragePath,
      home,
      user: entry.user,
      group: entry.group,
      mode: entry.mode === null ? null : octalMode(entry.mode, "file" in entry ? 0o644 : 0o755),
      mountOptions: [...rootOptions, ...entry.mountOptions],
      purpose: entry.purpose,
      parent: { ...said, user, group, mode: mode === null ? null : octalMode(mode, 0o755) },
    };
  };
  return [
    ...lists.directories.map((entry) => ({
      kind: "directory" as const,
      how: placing(entry.how ?? entry.method ?? root.defaultDirectoryMethod),
      ...common(entry, entry.directory),
    })),
    ...lists.files.map((entry) => ({
      kind: "file" as const,
      how: placing(entry.how),
      ...common(entry, entry.file),
    })),
  ];
}

function placing(how: "auto" | "bind" | "bindmount" | "bindfs" | "symlink" | null): Declared["how"] {
  if (how === "auto") return null;
  return how === "bindmount" || how === "bindfs" ? "bind" : how;
}

/** `/var/log/` → `/var/log`; in a home `.` is the home, and `./mail` is `mail` in it. */
function wholePath(written: string, home: Home | undefined): string {
  const parts = written.split("/").filter((part) => part !== "" && part !== ".");
  if (written.startsWith("/")) return `/${parts.join("/")}`;
  return home === undefined ? parts.join("/") : [home.path, ...parts].join("/");
}

function otherHome(option: ValuePath, user: string, said: string, { path }: Home): PlanProblem {
  return {
    what: `environment.persistence: the home of ${user} is said to be ${said}, but it is ${path}`,
    at: [],
    fix: `leave \`home\` out here, or set users.users.${user}.home = ${JSON.stringify(said)}`,
    option: [...option, "home"],
  };
}

/** As older versions of impermanence want it. */
function badPersistRoot(option: ValuePath, root: string): PlanProblem {
  const [where, ...rest] = option;
  return {
    what: `${where}.${rest[0]}.${JSON.stringify(rest[1])}: ${JSON.stringify(root)} is not a persist root`,
    at: [],
    fix: "write an absolute path such as /persist, as the key or as persistentStoragePath",
    option,
  };
}

function unknownUser(option: ValuePath, user: string, homes: ReadonlyMap<string, Home>): PlanProblem {
  return {
    what: `${option[0]}.${option[1]}: the host has no user ${user}`,
    at: [],
    fix: `declare users.users.${user}; declared are ${[...homes.keys()].sort().join(", ")}`,
    option,
  };
}
