/** A fault that a wipe may meet: how a filesystem comes to have it, and what the wipe then does. */
import type { Filesystem, filesystem, Outcome } from "./wipe-filesystem.ts";

/** What the root is called that a wipe of the tests retires, by their clock. */
export const FIRST = "20261123T000312.000Z";

export interface Fault {
  readonly fault: string;
  /** What the wipe does then, as docs/wipe.md lists it. */
  readonly happens: string;
  readonly filesystem?: Parameters<typeof filesystem>[0];
  readonly arrange: (fs: Filesystem) => Promise<void> | void;
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** A tool that is not there. */
  readonly without?: string;
  /** What is in the fresh root; by default what the closure's has. */
  readonly fresh?: readonly string[];
  /** `untouched`: @root and everything else are as they were, and the run failed. */
  readonly outcome: "wiped" | "untouched";
  readonly says?: RegExp;
  readonly check?: (fs: Filesystem, outcome: Outcome) => Promise<void> | void;
  readonly restore?: (fs: Filesystem) => Promise<void> | void;
}
