/** What the pristine root holds at and below entries. What is bound there hides it, so the persist roots get it too. */

import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { isBelow } from "../../paths.ts";
import { escapeArgument, escapePath } from "../../plan/activation.ts";
import type { FilePlan } from "../../plan/file-plan.ts";
import { managedInside } from "../../plan/managed.ts";
import type { Owned } from "../../plan/owners.ts";
import type { PersistenceEntry, PersistencePlan } from "../../plan/persistence-plan.ts";
import { shippedAt } from "./shipped-at.ts";
import { accountsOf } from "./shipped-owners.ts";

/** A pristine root, and the package object that it was made from. */
export interface Shipping {
  readonly root: string;
  readonly packageFolder: string;
  /** On the host: `/nix/store/<digest>-debian-<suite>`. */
  readonly packages: string;
}

/**
 * The text of `shipped.list`, from which src/payload/initrd/shipped.sh makes what is missing. Fields have tabs between: what it
 * is, its path on a persist root, a line of tmpfiles.d(5) that makes it, and one that takes it away again.
 *
 *     marker  the file that says that making them was interrupted; the first line
 *     folder  made where it is missing
 *     within  a file or link, made only together with its folder, which is before it: who deletes it has deleted it
 *     file    an entry, made where it is missing
 *     mounted a filesystem that the initrd mounts over what the root has; nothing but its folders is made where it is not empty
 *
 * @param mounted where the initrd mounts filesystems
 */
export function shippedList(
  plan: PersistencePlan,
  files: readonly FilePlan[],
  shipping: Shipping,
  mounted: readonly string[] = [],
): string {
  const { ownerOf } = accountsOf(shipping.root);
  const lines = new Map<string, string>();
  const add = (kind: string, path: string, made: string): void => {
    if (!lines.has(path)) lines.set(path, `${kind}\t${path}\t${made}\tr ${escapeGlob(path)}\n`);
  };
  const inner = new Set([
    ...[...plan.entries, ...managedInside(plan.entries, files)].map(({ path }) => path),
    ...mounted,
  ]);
  const addFolder = (entry: Pick<PersistenceEntry, "persistRoot">, path: string, owner: Owned): void => {
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
    for (const parent of plan.parents.filter(({ path }) => isBelow(entry.path, path))) {
      add("folder", `${entry.persistRoot}${parent.path}`, folderLine(`${entry.persistRoot}${parent.path}`, parent));
    }
    if (entry.kind === "directory") addFolder(entry, entry.path, entry);
    else add("file", entry.source, fileLine(entry, entry.path, entry, shipping));
  }
  for (const path of mounted) {
    if (!holdsSomething(shipping.root, path)) continue;
    const owner = ownerOf(lstatSync(join(shipping.root, path)));
    // The folder itself is there, and stays.
    lines.set(
      path,
      `mounted\t${path}\t${folderLine(path, owner).replaceAll(" :", " ")}\tr ${escapeGlob(path)}/.none\n`,
    );
    addFolder({ persistRoot: "" }, path, owner);
  }
  const [first = mounted[0] ?? ""] = plan.entries.map(({ persistRoot }) => persistRoot);
  return lines.size === 0 ? "" : [`marker\t${first}/.nixfleet-unfinished\n`, ...lines.values()].join("");
}

/**
 * Whether the pristine root has a folder there that is not empty: a filesystem over it would hide that.
 * @param besides folders that do not count, nor those above them that hold nothing else
 */
export function holdsSomething(root: string, path: string, besides: readonly string[] = []): boolean {
  const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) return false;
  return readdirSync(join(root, path)).some((name) => {
    const child = `${path}/${name}`;
    if (besides.includes(child)) return false;
    return !besides.some((one) => isBelow(one, child)) || holdsSomething(root, child, besides);
  });
}

/** Where activation makes a link, the fresh root must have nothing. */
export function clearLinkedPaths(plan: PersistencePlan, root: string): void {
  for (const { how, path } of plan.entries) {
    if (how === "symlink") rmSync(join(root, path), { recursive: true, force: true });
  }
}

function folderLine(target: string, { user, group, mode }: Owned): string {
  return `d ${escapePath(target)} :${mode} :${user} :${group} -`;
}

/** Copied from the packages, by reference where the filesystem can; what those do not have is small, and stands here. */
function fileLine(
  entry: Pick<PersistenceEntry, "persistRoot">,
  path: string,
  { user, group, mode }: Owned,
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
    throw new UserError(`${path} is not a text file and belongs to no package`, ["do not persist it"]);
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
