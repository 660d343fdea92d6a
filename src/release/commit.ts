/** What git says of a fleet's folder. */

import { UserError } from "../errors.ts";
import { CommandError, run } from "../local/process.ts";

/** The commit, with `-dirty` where there is more than that; `null` where the folder is in no repository of git. */
export async function fleetCommit(folder: string): Promise<string | null> {
  // With sudo the folder is another user's. Its fleet.ts has run by now, but nothing of its .git is to.
  const git = (...args: readonly string[]) =>
    run("git", ["-c", `safe.directory=${folder}`, "-c", "core.fsmonitor=false", "-C", folder, ...args]);
  try {
    const commit = (await git("rev-parse", "--verify", "HEAD")).trim();
    const more = await git("status", "--porcelain", "--", ".");
    return more.trim() === "" ? commit : `${commit.slice(0, 57)}-dirty`;
  } catch (error) {
    if (error instanceof CommandError || error instanceof UserError) return null;
    throw error;
  }
}
