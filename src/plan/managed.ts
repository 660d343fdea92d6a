/**
 * What the closure manages inside persisted folders, such as a declared file in a persisted /etc/ssh: it is shown there as
 * it was built, read-only, over an empty file on the persist root.
 */

import { foldersAbove, isWithin } from "../paths.ts";
import { escapePath, INITRD_MOUNT } from "./activation.ts";
import type { FilePlan, SourcePlan } from "./file-plan.ts";
import { fstabLine } from "./fstab.ts";
import type { PersistenceEntry } from "./persistence-plan.ts";

export interface Managed {
  readonly kind: "directory" | "file";
  readonly path: string;
  /** Where the entry that holds it has its data. */
  readonly persistRoot: string;
}

/** Where activation has the closure's own root meanwhile. */
export const PRISTINE = "/run/nixfleet/pristine";

/** For mount, when the entries are placed. */
export function managedFstab(inside: readonly Managed[]): string {
  const lines = inside.map(({ path }) =>
    fstabLine(`${PRISTINE}${path}`, path, "none", ["bind", "ro", "nosuid", "nodev", INITRD_MOUNT]),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** For systemd-tmpfiles: what those are mounted over. What another closure or a copy has left in it goes. */
export function managedConfig(inside: readonly Managed[]): string {
  const lines = inside.map(({ kind, path, persistRoot }) => {
    const place = escapePath(`${persistRoot}${path}`);
    return kind === "directory" ? `d ${place} :0755 :root :root -` : `f+ ${place} :0644 :root :root -`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Folders that tell of the packages in the closure. */
const OF_PACKAGES = ["/var/lib/dpkg"];

/** What each root gets of its own, and must not come from another: entries neither hold it nor lie in it. */
const OF_THE_ROOT = [
  "/etc/passwd",
  "/etc/shadow",
  "/etc/group",
  "/etc/gshadow",
  "/etc/nixfleet",
  "/etc/systemd/system",
];

/** Sorted by path. */
export function managedInside(entries: readonly PersistenceEntry[], files: readonly FilePlan[]): Managed[] {
  const rootOf = new Map(entries.map(({ path, persistRoot }) => [path, persistRoot]));
  const all = [
    ...files.map(({ path }) => ({ kind: "file" as const, path })),
    ...OF_PACKAGES.map((path) => ({ kind: "directory" as const, path })),
  ];
  return all
    .flatMap((one) => {
      const persistRoot = rootOf.get(foldersAbove(one.path).findLast((folder) => rootOf.has(folder)) ?? "");
      return persistRoot === undefined ? [] : [{ ...one, persistRoot }];
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A path of the closure's that an entry would hide and that cannot be shown in it; `undefined` where there is none. */
export function hiddenBy(
  entry: Pick<PersistenceEntry, "path" | "kind" | "how">,
  files: readonly (Pick<FilePlan, "kind" | "path"> | SourcePlan)[],
): string | undefined {
  const holds = (path: string) => path !== entry.path && isWithin(path, entry.path);
  const meets = (path: string) => isWithin(entry.path, path) || isWithin(path, entry.path);
  return (
    OF_THE_ROOT.find(meets) ??
    OF_PACKAGES.find((path) => (entry.how === "symlink" ? meets(path) : isWithin(entry.path, path))) ??
    files.find(({ kind, path }) => {
      // A link cannot be shown, nor anything in a folder that is one.
      if (holds(path)) return kind === "symlink" || entry.how === "symlink" || entry.kind === "file";
      return isWithin(entry.path, path);
    })?.path
  );
}
