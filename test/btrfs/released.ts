/** When a device that was unmounted is nobody's any more. */
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/machine/process.ts";

/**
 * Waits until nobody has a filesystem on the device mounted. A process that began meanwhile with mounts of its own, as
 * those do that build a closure, has a copy of every mount: only when it ends is the filesystem written out and let go.
 */
export async function released(device: string): Promise<void> {
  for (const until = Date.now() + 120_000; ; await sleep(50)) {
    try {
      closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL));
      return;
    } catch (error) {
      if (Date.now() > until || !(error instanceof Error && "code" in error && error.code === "EBUSY")) throw error;
    }
  }
}

/** @throws CommandError when the filesystem is not sound */
export async function checkFilesystem(device: string): Promise<void> {
  await released(device);
  await run("btrfs", ["check", "--readonly", device]);
}
