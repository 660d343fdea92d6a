/** What the pristine root has in an entry's place. */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import type { FilePlan } from "../../plan/file-plan.ts";
import { hiddenBy } from "../../plan/managed.ts";
import type { PersistenceEntry } from "../../plan/persistence-plan.ts";

/**
 * @param files those declared, none of which an entry may hide
 * @returns `null` where the root has nothing there
 * @throws UserError where it has what the entry cannot take the place of
 */
export function shippedAt(entry: PersistenceEntry, root: string, files: readonly FilePlan[]): Stats | null {
  const hidden = hiddenBy(entry, files);
  if (hidden !== undefined) {
    throw refused(entry, `it would hide ${hidden}, which the declaration manages`, "persist a path that does not");
  }
  const parts = entry.path.split("/").slice(1);
  for (let length = 1; length <= parts.length; length++) {
    const path = `/${parts.slice(0, length).join("/")}`;
    const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (stats === undefined) return null;
    if (stats.isSymbolicLink()) {
      const target = readlinkSync(join(root, path));
      throw refused(
        entry,
        `the host's packages have a link at ${path}, to ${target}`,
        "persist the target of that link instead",
      );
    }
    const wanted = length < parts.length ? "directory" : entry.kind;
    if (wanted !== (stats.isDirectory() ? "directory" : "file")) {
      const what = stats.isDirectory() ? "a folder" : "a file";
      throw refused(entry, `the host's packages have ${what} at ${path}`, "move it between `directories` and `files`");
    }
    if (length === parts.length) return stats;
  }
  return null;
}

function refused(entry: PersistenceEntry, reason: string, fix: string): UserError {
  return new UserError(`${entry.path} cannot be persisted: ${reason}`, [
    `declared at ${entry.declaredAt.join(", ")}`,
    fix,
  ]);
}
