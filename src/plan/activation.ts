/** The persistence plan as files that existing tools execute: tmpfiles.d(5), fstab(5), and a list for the rest. */
import { UserError } from "../errors.ts";
import { isWithin } from "../paths.ts";
import { fstabLine } from "./fstab.ts";
import type { Home } from "./homes.ts";
import { isRedundant } from "./nesting.ts";
import type { Owned } from "./owners.ts";
import type { PersistenceEntry, PersistencePlan } from "./persistence-plan.ts";

/** Where the initrd has the host's root while it activates it. */
export const SYSROOT = "/sysroot";

/** What the initrd mounts is not for the running system to unmount, at a soft reboot or a shutdown: systemd.mount(5). */
export const INITRD_MOUNT = "x-initrd.mount";

type Entries = Pick<PersistencePlan, "entries">;

/**
 * For `systemd-tmpfiles --root=SYSROOT --create`: folders and files on the persist roots where they are missing, and
 * what has to be there on the fresh root for them to appear; one line a path. `:` before owner and mode: what exists
 * keeps its own, but for the owner of the primary user's home, and for folders that are closed where packages ship them.
 */
export function tmpfilesConfig(plan: Pick<PersistencePlan, "entries" | "parents">): string {
  return text([...parentLines(plan), ...plan.entries.flatMap(entryLines)]);
}

/** The part that makes the folders above entries, except inside entries that are not placed yet. */
export function parentsConfig(plan: Pick<PersistencePlan, "parents">, placed: PersistencePlan["entries"] = []): string {
  return text(parentLines(plan).filter(({ path }) => !placed.some(({ source }) => isWithin(path, source))));
}

/** The part that makes one entry, with the folders above it. */
export function entryConfig(entry: PersistenceEntry, parents: PersistencePlan["parents"]): string {
  const roots = ["", entry.persistRoot];
  const above = parents
    .filter(({ path }) => path !== entry.path && isWithin(entry.path, path))
    .map((parent) => ({ ...parent, on: parent.on.filter((root) => roots.includes(root)) }));
  return text([...parentLines({ parents: above }), ...entryLines(entry)]);
}

/** For `mount --all --fstab F --target-prefix SYSROOT`, which prefixes targets but not the sources of bind mounts. */
export function bindFstab(plan: Entries): string {
  const bound = plan.entries.filter((entry) => entry.how === "bind" && !isRedundant(entry));
  return bound.map((entry) => `${bindLine(entry)}\n`).join("");
}

/** On a root: what is placed in it. From the pristine root, and then as `nixfleet switch` changes it. */
export const PLACED_LIST = "/etc/nixfleet/placed.list";

/** On a root in which no program has run yet: activation must still carry over data from the last root. */
export const FRESH_MARK = "/etc/nixfleet/fresh";

/** On a root to which the data of the last root may not have been carried over completely. */
export const UNSETTLED_MARK = "/etc/nixfleet/unsettled";

/** A line for each entry that is placed: kind, how, persist root, path, and the options of its mount, `-` for none. */
export function entriesList(entries: readonly Placed[]): string {
  return entries
    .filter((entry) => !isRedundant(entry))
    .map(
      ({ kind, how, persistRoot, path, mountOptions }) =>
        `${kind}\t${how}\t${persistRoot}\t${path}\t${mountOptions.join(",") || "-"}\n`,
    )
    .join("");
}

type Placed = Pick<PersistenceEntry, "kind" | "how" | "persistRoot" | "path" | "mountOptions" | "within">;

/** Reads what `entriesList` wrote, and skips other lines. */
export function readEntriesList(list: string): Omit<Placed, "within">[] {
  return list.split("\n").flatMap((line) => {
    const [kind, how, persistRoot, path, options] = line.split("\t");
    if ((kind !== "directory" && kind !== "file") || (how !== "bind" && how !== "symlink")) return [];
    if (persistRoot === undefined || path === undefined || options === undefined) return [];
    return [{ kind, how, persistRoot, path, mountOptions: options === "-" ? [] : options.split(",") }];
  });
}

/**
 * A line for each path on a persist root whose owner or mode is declared, or shipped by a package: mode, user, group,
 * and the path; `-` for what nobody says.
 */
export function ownersList({ entries, parents }: Pick<PersistencePlan, "entries" | "parents">): string {
  // A program makes a linked file itself, as it sees fit.
  const owned = entries.filter((entry) => entry.kind === "directory" || entry.how === "bind");
  const all = [
    ...owned.map((entry) => ({ ...entry, path: entry.source })),
    ...parents.flatMap((parent) =>
      parent.on.filter((root) => root !== "").map((root) => ({ ...parent, path: root + parent.path })),
    ),
  ];
  const lines = all.flatMap(({ path, user, group, mode, assumed }) => {
    // In a home the user is the owner unless somebody declares another.
    const isSaid = (field: "user" | "group" | "mode") =>
      !assumed.includes(field) || (field !== "mode" && user !== "root");
    const fields = [isSaid("mode") ? mode : "-", isSaid("user") ? user : "-", isSaid("group") ? group : "-"];
    return fields.every((field) => field === "-") ? [] : [`${[...fields, path].join("\t")}\n`];
  });
  return lines.join("");
}

/** A line of tmpfiles.d(5), and the path that it is about. */
interface Line {
  readonly path: string;
  readonly text: string;
}

/** Of several lines for one path systemd-tmpfiles takes the first, and says so: here each has one. */
function text(lines: readonly Line[]): string {
  const byPath = new Map(lines.toReversed().map((line) => [line.path, line.text]));
  return lines
    .filter((line) => byPath.get(line.path) === line.text && byPath.delete(line.path))
    .map((line) => `${line.text}\n`)
    .join("");
}

/** Fills a missing or empty home from `/etc/skel`, and leaves any other as it is. */
export function homeLine({ path, user, group }: Pick<Home, "path" | "user" | "group">): string {
  return `C ${escapePath(path)} 0700 ${user} ${group} - /etc/skel`;
}

function parentLines({ parents }: Pick<PersistencePlan, "parents">): Line[] {
  return parents.flatMap((parent) =>
    parent.on.map((root) => {
      const { user, group, mode } = parent;
      const path = root + parent.path;
      if (parent.fromSkeleton && root === "") return { path, text: homeLine(parent) };
      if (parent.closed && root !== "") return { path, text: `d ${escapePath(path)} ${mode} ${user} ${group} -` };
      return parent.ensured
        ? { path, text: `d ${escapePath(path)} :${mode} ${user} ${group} -` }
        : made("d", path, parent);
    }),
  );
}

function entryLines(entry: PersistenceEntry): Line[] {
  const type = entry.kind === "directory" ? "d" : "f";
  // A linked file is for its program to make.
  const source = entry.kind === "file" && entry.how === "symlink" ? [] : [made(type, entry.source, entry)];
  if (isRedundant(entry)) return source;
  // Inside an entry of another persist root, it is placed in what that one holds.
  const place = `${entry.within?.persistRoot ?? ""}${entry.path}`;
  switch (entry.how) {
    case "bind":
      return [...source, made(type, place, entry)];
    case "symlink":
      return [...source, { path: place, text: `L ${escapePath(place)} - - - - ${escapeArgument(entry.source)}` }];
  }
}

function made(type: "d" | "f", path: string, { user, group, mode }: Owned): Line {
  return { path, text: `${type} ${escapePath(path)} :${mode} :${user} :${group} -` };
}

function bindLine(entry: PersistenceEntry): string {
  return fstabLine(`${SYSROOT}${entry.source}`, entry.path, "none", ["bind", INITRD_MOUNT, ...entry.mountOptions]);
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
