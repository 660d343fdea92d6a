/** The persistence plan as files that existing tools execute: tmpfiles.d(5), fstab(5), and a list for the rest. */
import { UserError } from "../modules/errors.ts";
import { fstabLine } from "./fstab.ts";
import { isRedundant } from "./nesting.ts";
import type { PersistenceEntry, PersistencePlan } from "./persistence.ts";

/** Where the initrd has the host's root while it activates it. */
export const SYSROOT = "/sysroot";

/**
 * For `systemd-tmpfiles --root=SYSROOT --create`: folders and files on the persist roots where they are missing, and
 * what has to be there on the fresh root for them to appear. `:` before owner and mode: what exists keeps its own, but for the owner of the user's home.
 */
export function tmpfilesConfig(plan: PersistencePlan): string {
  return parentsConfig(plan) + entriesConfig(plan.entries);
}

/** The part that makes the folders above entries. */
export function parentsConfig({ entries, parents }: Pick<PersistencePlan, "entries" | "parents">): string {
  const roots = ["", ...new Set(entries.map((entry) => entry.persistRoot))];
  const lines = parents.flatMap((parent) =>
    roots.map((root) => created("d", root + parent.path, parent, parent.ensured)),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** The part that makes the entries themselves. */
export function entriesConfig(entries: PersistencePlan["entries"]): string {
  const lines = entries.flatMap(entryLines);
  return lines.map((line) => `${line}\n`).join("");
}

/** For `mount --all --fstab F --target-prefix SYSROOT`, which prefixes targets but not the sources of bind mounts. */
export function bindFstab(plan: PersistencePlan): string {
  const bound = plan.entries.filter((entry) => entry.how === "bind" && !isRedundant(entry));
  return bound.map((entry) => `${bindLine(entry)}\n`).join("");
}

/** A line for each file that is a link, which a program may replace: its persist root and its path. */
export function linkedFiles(plan: PersistencePlan): string {
  const linked = plan.entries.filter(
    (entry) => entry.kind === "file" && entry.how === "symlink" && entry.within === null,
  );
  return linked.map((entry) => `${entry.persistRoot}\t${entry.path}\n`).join("");
}

/** A line for each entry whose data has a declared owner: mode, user, group, and where the data is. */
export function ownersList(plan: PersistencePlan): string {
  // A program makes a linked file itself, as it sees fit.
  const owned = plan.entries.filter((entry) => entry.kind === "directory" || entry.how === "bind");
  return owned.map(({ mode, user, group, source }) => `${mode}\t${user}\t${group}\t${source}\n`).join("");
}

function entryLines(entry: PersistenceEntry): string[] {
  const type = entry.kind === "directory" ? "d" : "f";
  // A linked file is for its program to make.
  const source = entry.kind === "file" && entry.how === "symlink" ? [] : [created(type, entry.source, entry)];
  if (isRedundant(entry)) return source;
  // Inside an entry of another persist root, it is placed in what that one holds.
  const place = `${entry.within?.persistRoot ?? ""}${entry.path}`;
  switch (entry.how) {
    case "bind":
      return [...source, created(type, place, entry)];
    case "symlink":
      return [...source, `L ${escapePath(place)} - - - - ${escapeArgument(entry.source)}`];
  }
}

interface Owned {
  readonly user: string;
  readonly group: string;
  readonly mode: string;
}

function created(type: "d" | "f", path: string, { user, group, mode }: Owned, ensured = false): string {
  const owner = ensured ? `${user} ${group}` : `:${user} :${group}`;
  return `${type} ${escapePath(path)} :${mode} ${owner} -`;
}

function bindLine(entry: PersistenceEntry): string {
  return fstabLine(`${SYSROOT}${entry.source}`, entry.path, "none", ["bind", ...entry.mountOptions]);
}

/** A path as a quoted field, in which `%` begins a specifier and a backslash stands for what follows it. */
export function escapePath(path: string): string {
  if (/\p{Cc}/u.test(path)) {
    throw new UserError(`${JSON.stringify(path)} cannot stand in a tmpfiles.d file`, [
      "remove the newline or control character",
    ]);
  }
  return `"${path.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`;
}

/** The last field runs to the end of the line, less white space there: no quotes, but specifiers and C escapes. */
export function escapeArgument(path: string): string {
  return path.replaceAll("%", "%%").replaceAll("\\", "\\\\").replace(/ $/, "\\x20");
}
