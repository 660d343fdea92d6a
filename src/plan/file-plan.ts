/** A file as a plan has it. */

export type FilePlan = MadeFilePlan | CopiedFilePlan;

/** All of it is in the plan. */
export type MadeFilePlan = TextFilePlan | SymlinkPlan;

export interface TextFilePlan {
  readonly kind: "text";
  /** Absolute, on the running host: `/etc/hostname`. */
  readonly path: string;
  readonly text: string;
  /** Octal, four digits: `0644`. */
  readonly mode: string;
}

export interface SymlinkPlan {
  readonly kind: "symlink";
  readonly path: string;
  /** The link's target, relative or absolute. */
  readonly target: string;
}

/** A file of the fleet's own. */
export interface CopiedFilePlan {
  readonly kind: "copy";
  readonly path: string;
  /** From the fleet's folder. */
  readonly source: string;
  readonly sha256: string;
  readonly mode: string;
}

/** A file or folder of the fleet's own, not read yet. */
export interface SourcePlan {
  readonly kind: "source";
  readonly path: string;
  readonly source: string;
  /** `null`: that of the file. */
  readonly mode: string | null;
}

export function textFile(path: string, lines: readonly string[], mode = "0644"): TextFilePlan {
  return { kind: "text", path, text: lines.map((line) => `${line}\n`).join(""), mode };
}

export function symlink(path: string, target: string): SymlinkPlan {
  return { kind: "symlink", path, target };
}
