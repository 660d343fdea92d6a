/** What survives a boot: where it lives, where it appears, whose it is. */
export interface PersistencePlan {
  /** Sorted by path. */
  readonly entries: readonly PersistenceEntry[];
  /** Folders above entries that exist for their sake, on the persist root and on the fresh root alike; sorted. */
  readonly parents: readonly PersistenceParent[];
}

export interface PersistenceEntry {
  readonly kind: "directory" | "file";
  /** Where the host sees it: `/var/log`. */
  readonly path: string;
  /** Where its data lives: `/persist/var/log`. */
  readonly source: string;
  readonly persistRoot: string;
  /** `auto` (files): bound when the source exists at boot, linked when it does not yet. */
  readonly how: "bind" | "symlink" | "auto";
  readonly user: string;
  readonly group: string;
  /** Octal, four digits. */
  readonly mode: string;
  readonly mountOptions: readonly string[];
  /** What it is for, in a few words; empty if nobody said. */
  readonly purpose: string;
  /** Each `file:line` of a module that declares it. */
  readonly declaredAt: readonly string[];
}

export interface PersistenceParent {
  readonly path: string;
  readonly user: string;
  readonly group: string;
  readonly mode: string;
}
