/** What survives a boot, as a plan has it. */
import type { AssumedOwner } from "./owners.ts";
import type { PersistRoot } from "./persist-roots.ts";

export interface PersistencePlan {
  /** Where the framework keeps its own state: `/persist`. */
  readonly persistRoot: string;
  /** All that are declared, sorted by path. */
  readonly roots: readonly PersistRoot[];
  /** Sorted by path; no two have the same. */
  readonly entries: readonly PersistenceEntry[];
  /** Folders above entries, that are made where they are missing; sorted. None is an entry's own on its persist root. */
  readonly parents: readonly PersistenceParent[];
  /** Paths that may go at the next boot, with all below them; sorted. */
  readonly ephemeral: readonly string[];
  /** Homes on the persist root whose `.keys` are given to their user. */
  readonly keys: readonly KeysFolder[];
}

export interface PersistenceEntry extends AssumedOwner {
  readonly kind: "directory" | "file";
  /** Where the host sees it: `/var/log`. */
  readonly path: string;
  /** Where its data lives: `/persist/var/log`. */
  readonly source: string;
  readonly persistRoot: string;
  /** A bind mount of the data, or a link to it. */
  readonly how: "bind" | "symlink";
  /**
   * Another entry that this one lies in. Where both have one persist root, the outer one holds it already, and it is
   * redundant: its data is made as declared, and no more.
   */
  readonly within: Outer | null;
  /** Options of the bind mount, besides `bind`. */
  readonly mountOptions: readonly string[];
  /** What it is for, in a few words; may be empty. */
  readonly purpose: string;
  /** Each `file:line` of a module that declares it. */
  readonly declaredAt: readonly string[];
  /** Whether only modules of this project declare it. */
  readonly byFramework: boolean;
}

export interface KeysFolder {
  /** `/persist/home/alice/.keys` */
  readonly path: string;
  readonly user: string;
  readonly group: string;
}

/** Another entry that an entry lies in. */
export interface Outer {
  readonly path: string;
  readonly persistRoot: string;
}

export interface PersistenceParent extends AssumedOwner {
  readonly path: string;
  /** The persist roots on which it is created; an empty text stands for the fresh root. */
  readonly on: readonly string[];
  /** The primary user's home: its owner is set even where it exists already. */
  readonly ensured: boolean;
  /** Packages ship it with a mode closed more than 0755: an existing one on a persist root is closed like that. */
  readonly closed: boolean;
  /** A home on another filesystem than the root: it is created there from `/etc/skel`, if it is missing or empty. */
  readonly fromSkeleton: boolean;
}
