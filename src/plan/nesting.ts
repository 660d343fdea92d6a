/** Entries that lie inside others. */
import type { Declared } from "./declared-entries.ts";
import type { PersistenceEntry } from "./persistence.ts";

/** Another entry that an entry lies in. */
export interface Outer {
  readonly path: string;
  readonly persistRoot: string;
}

/** Whether the outer entry holds it already. */
export function isRedundant({ within, persistRoot }: Pick<PersistenceEntry, "within" | "persistRoot">): boolean {
  return within?.persistRoot === persistRoot;
}

/** The nearest entry that holds `path`. */
export function outerEntry(path: string, entries: ReadonlyMap<string, Declared>): Declared | undefined {
  const folder = foldersAbove(path).findLast((above) => entries.has(above));
  return folder === undefined ? undefined : entries.get(folder);
}

/** What keeps an entry from being placed inside another, each as one text. */
export function nestingProblems(entry: Declared, entries: ReadonlyMap<string, Declared>): string[] {
  const holder = outerEntry(entry.path, entries);
  if (holder === undefined) return [];
  const places = `(declared at ${entry.declaredAt.join(", ")} and at ${holder.declaredAt.join(", ")})`;
  if (holder.kind === "file") return [`${entry.path}: ${holder.path}, above it, is declared as a file ${places}`];
  if (holder.how === "symlink" && holder.persistRoot !== entry.persistRoot)
    return [`${entry.path}: ${holder.path}, above it, is a link to ${holder.persistRoot}; make it a bind ${places}`];
  return [];
}

/** `/a/b/c` → `/a`, `/a/b` */
export function foldersAbove(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
}
