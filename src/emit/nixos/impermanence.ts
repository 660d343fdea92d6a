/** Persistence for nix-community/impermanence. */
import type { Home } from "../../plan/homes.ts";
import type { PersistenceEntry, PersistenceParent } from "../../plan/persistence-plan.ts";
import { Commented, type NixSet, type NixValue } from "../../scopes/on-nixos.ts";
import type { Entries } from "./entries.ts";
import type { Part } from "./part.ts";

/** What lies in a home stands below `users`: else the home on the persist root would be root's. */
export function impermanencePart({ roots, parents, lost }: Entries, homes: readonly Home[]): Part {
  const persistence = [...roots].map(([root, entries]) => {
    const inHomes = Map.groupBy(entries, ({ path }) => homes.find((home) => path.startsWith(`${home.path}/`)));
    const users = homes.flatMap((home): [string, NixSet][] => {
      const inHome = inHomes.get(home) ?? [];
      return inHome.length === 0 ? [] : [[home.user, lists(inHome, parents, home)]];
    });
    return [
      root,
      {
        ...lists(inHomes.get(undefined) ?? [], parents, undefined),
        ...(users.length === 0 ? {} : { users: Object.fromEntries(users) }),
      },
    ];
  });
  const entries = [...roots.values()].flat();
  return {
    options: { environment: { persistence: Object.fromEntries(persistence) } },
    lost: [...lost, ...entries.flatMap(lostOf), ...parents.flatMap((parent) => lostParent(parent, entries, homes))],
  };
}

function lists(
  entries: readonly PersistenceEntry[],
  parents: readonly PersistenceParent[],
  home: Home | undefined,
): NixSet {
  const name = ({ path }: PersistenceEntry) => (home === undefined ? path : path.slice(home.path.length + 1));
  const usual = { user: home?.user ?? "root", group: home?.group ?? "root", mode: "0755" };
  const directories = entries
    .filter(({ kind }) => kind === "directory")
    .map((entry) => {
      const { user, group, mode, mountOptions } = entry;
      const said = {
        ...unlike({ user, group, mode }, usual),
        ...(mountOptions.includes(HIDDEN) ? { hideMount: true } : {}),
        ...(mountOptions.includes(TRASH) ? { allowTrash: true } : {}),
      };
      return commented(entry, Object.keys(said).length === 0 ? name(entry) : { directory: name(entry), ...said });
    });
  const files = entries
    .filter(({ kind }) => kind === "file")
    .map((entry) => {
      const parent = parentOf(entry, parents);
      const parentDirectory = parent === undefined ? {} : unlike(parent, usual);
      const said = {
        ...(entry.how === "symlink" ? { method: "symlink" } : {}),
        ...(Object.keys(parentDirectory).length === 0 ? {} : { parentDirectory }),
      };
      return commented(entry, Object.keys(said).length === 0 ? name(entry) : { file: name(entry), ...said });
    });
  return {
    ...(directories.length === 0 ? {} : { directories }),
    ...(files.length === 0 ? {} : { files }),
  };
}

const HIDDEN = "x-gvfs-hide";
const TRASH = "x-gvfs-trash";

interface Owned {
  readonly user: string;
  readonly group: string;
  readonly mode: string;
}

function unlike({ user, group, mode }: Owned, usual: Owned): NixSet {
  return {
    ...(user === usual.user ? {} : { user }),
    ...(group === usual.group ? {} : { group }),
    ...(mode === usual.mode ? {} : { mode }),
  };
}

function parentOf({ path }: PersistenceEntry, parents: readonly PersistenceParent[]): PersistenceParent | undefined {
  const above = path.slice(0, path.lastIndexOf("/"));
  return parents.find((parent) => parent.path === above);
}

function lostOf({ path, kind, how, user, group, mode, mountOptions }: PersistenceEntry): string[] {
  const options = mountOptions.filter((option) => option !== HIDDEN && option !== TRASH);
  return [
    ...(kind === "directory" && how === "symlink"
      ? [`${path} is a link here, and a bind mount with impermanence`]
      : []),
    ...(kind === "file" && mode !== "0644"
      ? [`${path} is made as ${user}:${group} ${mode} here; with impermanence whoever writes it first says`]
      : []),
    ...(options.length === 0
      ? []
      : [`${path} is mounted without ${options.join(",")}: impermanence has no such option`]),
  ];
}

/** Of the folders above an entry, impermanence knows that of a file. */
function lostParent(parent: PersistenceParent, entries: readonly PersistenceEntry[], homes: readonly Home[]): string[] {
  const home = homes.find(({ path }) => parent.path === path || parent.path.startsWith(`${path}/`));
  const made = {
    user: home?.user ?? "root",
    group: home?.group ?? "root",
    mode: home !== undefined && home.path === parent.path ? "0700" : "0755",
  };
  const differs = Object.keys(unlike(parent, made)).length > 0;
  const isSaid = entries.some((entry) => entry.kind === "file" && parentOf(entry, [parent]) !== undefined);
  if (!differs || isSaid) return [];
  return [
    `${parent.path} is made as ${made.user}:${made.group} ${made.mode}, and not as ${parent.user}:${parent.group} ${parent.mode}: impermanence has no option for it`,
  ];
}

function commented({ purpose }: PersistenceEntry, value: NixValue): NixValue {
  return purpose === "" ? value : new Commented(purpose, value);
}
