/** What the pristine root holds at and below entries. What is bound there hides it, so the persist roots get it too. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, type Stats } from "node:fs";
import { join } from "node:path";
import { UserError } from "../modules/errors.ts";
import { escapeArgument, escapePath } from "../plan/activation.ts";
import type { FilePlan } from "../plan/files.ts";
import type { PersistenceEntry, PersistencePlan } from "../plan/persistence.ts";
import { idNames } from "./accounts.ts";
import { shippedAt } from "./shipped-at.ts";

/** A pristine root, and the package object that it was made from. */
export interface Shipping {
  readonly root: string;
  readonly packageFolder: string;
  /** On the host: `/nix/store/<digest>-debian-<suite>`. */
  readonly packages: string;
}

/**
 * Entries whose owner and mode nobody declared have those of what the packages ship there.
 * @throws UserError where an entry cannot take the place of what the root has there, or would hide a declared file
 */
export function withShippedOwners(plan: PersistencePlan, root: string, files: readonly FilePlan[]): PersistencePlan {
  const ownerOf = owners(root);
  const entries = plan.entries.map((entry) => {
    const stats = shippedAt(entry, root, files);
    return stats === null || !entry.asShipped ? entry : { ...entry, ...ownerOf(stats) };
  });
  return { ...plan, entries };
}

/**
 * The text of `shipped.list`, from which src/initrd/shipped.sh makes what is missing. Fields have tabs between: what it
 * is, its path on a persist root, a line of tmpfiles.d(5) that makes it, and one that takes it away again.
 *
 *     marker  the file that says that making them was interrupted; the first line
 *     folder  made where it is missing
 *     within  a file or link, made only together with its folder, which is before it: who deletes it has deleted it
 *     file    an entry, made where it is missing
 */
export function shippedList(plan: PersistencePlan, shipping: Shipping): string {
  const ownerOf = owners(shipping.root);
  const lines = new Map<string, string>();
  const add = (kind: string, path: string, made: string): void => {
    if (!lines.has(path)) lines.set(path, `${kind}\t${path}\t${made}\tr ${escapeGlob(path)}\n`);
  };
  const inner = new Set(plan.entries.map(({ path }) => path));
  const addFolder = (entry: PersistenceEntry, path: string, owner: Owner): void => {
    const target = `${entry.persistRoot}${path}`;
    add("folder", target, folderLine(target, owner));
    const names = readdirSync(join(shipping.root, path)).sort();
    const children = names.map((name) => ({
      path: `${path}/${name}`,
      stats: lstatSync(join(shipping.root, path, name)),
    }));
    for (const child of children.filter(({ path, stats }) => !inner.has(path) && !stats.isDirectory())) {
      add("within", `${entry.persistRoot}${child.path}`, fileLine(entry, child.path, ownerOf(child.stats), shipping));
    }
    for (const child of children.filter(({ path, stats }) => !inner.has(path) && stats.isDirectory())) {
      addFolder(entry, child.path, ownerOf(child.stats));
    }
  };
  for (const entry of plan.entries) {
    if (shippedAt(entry, shipping.root, []) === null) continue;
    for (const parent of plan.parents.filter(({ path }) => entry.path.startsWith(`${path}/`))) {
      add("folder", `${entry.persistRoot}${parent.path}`, folderLine(`${entry.persistRoot}${parent.path}`, parent));
    }
    if (entry.kind === "directory") addFolder(entry, entry.path, entry);
    else add("file", entry.source, fileLine(entry, entry.path, entry, shipping));
  }
  const [first] = plan.entries;
  return first === undefined || lines.size === 0
    ? ""
    : [`marker\t${first.persistRoot}/.nixfleet-unfinished\n`, ...lines.values()].join("");
}

/** Where activation makes a link, the fresh root must have nothing. */
export function clearLinkedPaths(plan: PersistencePlan, root: string): void {
  for (const { how, path } of plan.entries) {
    if (how === "symlink") rmSync(join(root, path), { recursive: true, force: true });
  }
}

interface Owner {
  readonly user: string;
  readonly group: string;
  readonly mode: string;
}

/** By name, as every line of tmpfiles.d(5) has them here; by number where the root has no name. */
function owners(root: string): (stats: Stats) => Owner {
  const [users, groups] = [idNames(root, "passwd"), idNames(root, "group")];
  return (stats) => ({
    user: users.get(stats.uid) ?? String(stats.uid),
    group: groups.get(stats.gid) ?? String(stats.gid),
    mode: (stats.mode & 0o7777).toString(8).padStart(4, "0"),
  });
}

function folderLine(target: string, { user, group, mode }: Owner): string {
  return `d ${escapePath(target)} :${mode} :${user} :${group} -`;
}

/** Copied from the packages, by reference where the filesystem can; what those do not have is small, and stands here. */
function fileLine(
  entry: PersistenceEntry,
  path: string,
  { user, group, mode }: Owner,
  { root, packageFolder, packages }: Shipping,
): string {
  const target = escapePath(`${entry.persistRoot}${path}`);
  if (lstatSync(join(root, path)).isSymbolicLink()) {
    return `L ${target} - - - - ${escapeArgument(readlinkSync(join(root, path)))}`;
  }
  const owned = `${target} :${mode} :${user} :${group} -`;
  const content = readFileSync(join(root, path));
  const original = join(packageFolder, path);
  if (lstatSync(original, { throwIfNoEntry: false })?.isFile() && content.equals(readFileSync(original))) {
    return `C ${owned} ${escapeArgument(`${packages}${path}`)}`;
  }
  return `f ${owned} ${escapeContent(path, content)}`;
}

function escapeContent(path: string, content: Buffer): string {
  const text = content.toString("utf8");
  if (!Buffer.from(text).equals(content) || text.includes("\0")) {
    throw new UserError(`${path} is not text, and no package has it`, ["keep it out of what is persisted"]);
  }
  return text
    .replaceAll("%", "%%")
    .replaceAll("\\", "\\\\")
    .replace(/[\p{Cc}]|^ | $/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** For lines of the type `r`, whose path is a pattern of glob(7). */
function escapeGlob(path: string): string {
  return escapePath(path.replaceAll("\\", "\\\\").replace(/[*?[]/g, "[$&]"));
}
