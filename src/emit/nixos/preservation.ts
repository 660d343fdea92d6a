/** Persistence for nix-community/preservation. */
import type { PersistenceEntry, PersistenceParent } from "../../plan/persistence-plan.ts";
import { Commented, type NixSet, type NixValue } from "../../scopes/on-nixos.ts";
import type { Entries } from "./entries.ts";
import type { Part } from "./part.ts";

/**
 * All paths are absolute, and each folder above them that is not as NixOS would make it is said too: below `users` it would make those
 * of a home 0755.
 */
export function preservationPart({ roots, parents, lost }: Entries): Part {
  const preserveAt = [...roots].map(([root, entries]) => {
    const between = parents.filter((parent) => parent.on.includes(root) && !isUsual(parent) && !isRoot(parent, root));
    const folders = entries.filter(({ kind }) => kind === "directory");
    const files = entries.filter(({ kind }) => kind === "file");
    const directories = [...between.map(intermediate), ...folders.map(directory)];
    return [
      root,
      {
        ...(directories.length === 0 ? {} : { directories }),
        ...(files.length === 0 ? {} : { files: files.map(file) }),
      },
    ];
  });
  const machineId = [...roots.values()].flat().some(({ path }) => path === "/etc/machine-id");
  return {
    options: {
      preservation: { enable: true, preserveAt: Object.fromEntries(preserveAt) },
      // It would commit a machine-id that is committed already, and fail.
      ...(machineId ? { systemd: { suppressedSystemUnits: ["systemd-machine-id-commit.service"] } } : {}),
    },
    lost,
  };
}

function isUsual({ user, group, mode }: PersistenceParent): boolean {
  return user === "root" && group === "root" && mode === "0755";
}

function isRoot({ path }: PersistenceParent, root: string): boolean {
  return path === root;
}

function intermediate({ path, user, group, mode }: PersistenceParent): NixValue {
  return { directory: path, how: "_intermediate", user, group, mode };
}

function directory(entry: PersistenceEntry): NixValue {
  // What lies in another entry persists with it, and is only made.
  const held = entry.within?.persistRoot === entry.persistRoot;
  const how = held
    ? { how: "_intermediate" }
    : entry.how === "symlink"
      ? { how: "symlink", createLinkTarget: true }
      : {};
  const value = { ...how, ...owned(entry, "0755"), ...common(entry) };
  return commented(entry, Object.keys(value).length === 0 ? entry.path : { directory: entry.path, ...value });
}

function file(entry: PersistenceEntry): NixValue {
  const how = entry.how === "symlink" ? { how: "symlink" } : {};
  const value = { ...how, ...owned(entry, "0644"), ...common(entry) };
  return commented(entry, Object.keys(value).length === 0 ? entry.path : { file: entry.path, ...value });
}

function owned({ user, group, mode }: PersistenceEntry, usual: string): NixSet {
  return {
    ...(user === "root" ? {} : { user }),
    ...(user === "root" && group === "root" ? {} : { group }),
    ...(mode === usual ? {} : { mode }),
  };
}

function common({ path, how, user, mountOptions }: PersistenceEntry): NixSet {
  return {
    // By itself it would give the folder above a link to another owner, and that is said already.
    ...(how === "symlink" && user !== "root" ? { configureParent: false } : {}),
    ...(how === "bind" && mountOptions.length > 0 ? { mountOptions } : {}),
    ...(EARLY.has(path) ? { inInitrd: true } : {}),
  };
}

/** Read before the host's own mounts. */
const EARLY = new Set(["/etc/machine-id", "/var/lib/nixos"]);

function commented({ purpose }: PersistenceEntry, value: NixValue): NixValue {
  return purpose === "" ? value : new Commented(purpose, value);
}
