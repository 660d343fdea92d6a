/** A run of the wipe that is killed, and what the end of a boot then does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scriptParameters, WIPE_SCRIPT } from "../../src/initrd/files.ts";
import { CommandError, run } from "../../src/machine/process.ts";
import type { Filesystem } from "../btrfs/wipe-filesystem.ts";
import { PARAMETERS } from "./scenarios.ts";

let runs = 0;

/**
 * Kills the script and its processes after so many milliseconds, and unmounts what it had mounted.
 * @returns whether it had not ended before
 */
export async function killedWipe(
  { device, scratch }: Filesystem,
  milliseconds: number,
  parameters: Readonly<Record<string, string | number>>,
): Promise<boolean> {
  const conf = join(scratch, "killed.conf");
  const REPORT = join(scratch, `killed-${runs++}.json`);
  writeFileSync(conf, scriptParameters({ ...PARAMETERS, PRUNE: "yes", DEVICE: device, REPORT, ...parameters }));
  // In a process group of its own.
  const child = spawn("/bin/sh", [WIPE_SCRIPT, conf], { stdio: "ignore", detached: true });
  const ended = once(child, "close");
  await Promise.race([ended, sleep(milliseconds)]);
  const { pid } = child;
  if (pid !== undefined && child.exitCode === null) process.kill(-pid, "SIGKILL");
  await ended;
  const place = `/run/nixfleet/wipe.${pid}`;
  for (let tries = 0; isMounted(place); tries++) {
    // A process that is being killed may still be in there, or be mounting or unmounting.
    await run("umount", [place]).catch((error: unknown) => {
      if (!(error instanceof CommandError) || tries > 200) throw error;
    });
    await sleep(tries);
  }
  rmSync(place, { recursive: true, force: true });
  return child.signalCode !== null;
}

function isMounted(place: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${place} `);
}
