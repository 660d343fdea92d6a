/** A run of the wipe that is killed, and what the end of a boot then does. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, run } from "../../src/local/process.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { type Filesystem, leftovers } from "../btrfs/wipe-filesystem.ts";
import { PARAMETERS } from "./scenarios.ts";

let runs = 0;

/**
 * Kills the script and its processes after so many milliseconds, and unmounts what it had mounted.
 * @returns whether it had not ended before
 */
export async function killedWipe(
  fs: Filesystem,
  milliseconds: number,
  parameters: Readonly<Record<string, string | number>>,
): Promise<boolean> {
  const { device, mountpoint: MOUNTPOINT, scratch } = fs;
  const conf = join(scratch, "killed.conf");
  const REPORT = join(scratch, `killed-${runs++}`);
  const all = { ...PARAMETERS, PRUNE: "yes", DEVICE: device, MOUNTPOINT, REPORT, ...parameters };
  writeFileSync(conf, scriptParameters(all));
  // What is left when the shell ends, the kernel kills, and it waits for that: also for a mount that is being made.
  const timed = 'timeout --signal KILL "$1" /bin/sh "$2" "$3"; exit "$?"';
  const seconds = `${Math.max(milliseconds, 1) / 1000}`;
  const argv = ["--pid", "--fork", "--", "/bin/sh", "-c", timed, "sh", seconds, WIPE_SCRIPT, conf];
  const killed = await run("unshare", argv).then(
    () => false,
    (error: unknown) => {
      if (error instanceof CommandError) return error.exitCode === SIGKILLED;
      throw error;
    },
  );
  if (leftovers(fs).length > 0) await run("umount", [MOUNTPOINT]);
  return killed;
}

const SIGKILLED = 137;
