/** A file that the declaration puts into the pristine root. */
export type FilePlan = TextFilePlan | SymlinkPlan;

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
  /** What the link says, relative or absolute. */
  readonly target: string;
}
