/** Says so when a disk is full, whichever tool found out. */
import { UserError } from "../../errors.ts";

const FULL = /No space left on device|Disk quota exceeded|don't have enough free space|ENOSPC|EDQUOT/;

/** Whether a line of a program's output says that a disk is full. */
export function saysDiskFull(line: string): boolean {
  return FULL.test(line);
}

const CACHE = "a first build needs about 2 GB: free some space, or set NIXFLEET_CACHE to a folder on a larger disk";

/**
 * The error to show instead of one that comes from a full disk; `null` for any other.
 * @param advice what to do about that disk; by default the cache's
 */
export function diskFull(error: unknown, advice: string = CACHE): UserError | null {
  if (error instanceof SuppressedError) return diskFull(error.suppressed, advice) ?? diskFull(error.error, advice);
  if (!(error instanceof Error)) return null;
  const lines = [error.message, ...(error instanceof UserError ? error.detail : [])];
  const line = lines.find(saysDiskFull);
  if (line === undefined) return null;
  return new UserError("the disk is full", [line.trim(), "incomplete files were removed", advice]);
}
