/** Entries that lie inside others. */
import type { Problem } from "../errors.ts";
import { foldersAbove } from "../paths.ts";
import type { PersistenceEntry } from "./persistence-plan.ts";

/** Whether the outer entry holds it already. */
export function isRedundant({ within, persistRoot }: Pick<PersistenceEntry, "within" | "persistRoot">): boolean {
  return within?.persistRoot === persistRoot;
}

/** The nearest entry that holds `path`. */
export function outerEntry(path: string, entries: ReadonlyMap<string, PersistenceEntry>): PersistenceEntry | undefined {
  const folder = foldersAbove(path).findLast((above) => entries.has(above));
  return folder === undefined ? undefined : entries.get(folder);
}

/** What keeps an entry from being placed inside another. */
export function nestingProblems(entry: PersistenceEntry, entries: ReadonlyMap<string, PersistenceEntry>): Problem[] {
  const holder = outerEntry(entry.path, entries);
  if (holder === undefined) return [];
  const at = [...new Set([...entry.declaredAt, ...holder.declaredAt])];
  const cannot = `${entry.path} cannot be persisted`;
  if (holder.kind === "file")
    return [
      { what: `${cannot}: ${holder.path}, above it, is a file`, at, fix: "make that one a directory, or remove it" },
    ];
  if (holder.how === "symlink" && holder.persistRoot !== entry.persistRoot) {
    const what = `${cannot}: ${holder.path}, above it, is a link to ${holder.persistRoot}`;
    return [{ what, at, fix: `write how: "bind" for ${holder.path}` }];
  }
  return [];
}
