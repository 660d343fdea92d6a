/** What the initrd's wipe needs to know. */
export interface WipePlan {
  /** The label of the btrfs filesystem that holds `@root`. */
  readonly label: string;
  /** An old root is deleted when it was retired longer ago than this, in days. */
  readonly retentionDays: number;
  /** The newest old roots, this many, are kept however old they are. */
  readonly keepNewest: number;
  /** When the wipe fails: boot the previous root, loudly, or halt. */
  readonly onFailure: "boot" | "halt";
}
