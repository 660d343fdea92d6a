/** When a device that was unmounted is nobody's any more. */
import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/local/process.ts";
import { type LoopDevice, loopDevice } from "../../src/local/resources.ts";

/**
 * Waits until nobody has a filesystem on the device mounted. A process that began meanwhile with mounts of its own, as
 * those do that build a closure, has a copy of every mount: only when it ends is the filesystem written out and let go.
 */
export async function released(device: string): Promise<void> {
  for (const until = Date.now() + 300_000; ; await sleep(50)) {
    try {
      closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL));
      return;
    } catch (error) {
      if (Date.now() > until || !(error instanceof Error && "code" in error && error.code === "EBUSY")) throw error;
    }
  }
}

/** As `loopDevice`, detached when nobody has it mounted: all that was written is in the image then. */
export async function releasedLoopDevice(image: string): Promise<LoopDevice> {
  const loop = await loopDevice(image);
  return {
    device: loop.device,
    [Symbol.asyncDispose]: async () => {
      try {
        await released(loop.device);
      } finally {
        await loop[Symbol.asyncDispose]();
      }
    },
  };
}

/** @throws CommandError when the filesystem is not sound */
export async function checkFilesystem(device: string): Promise<void> {
  await released(device);
  await run("btrfs", ["check", "--readonly", device]);
}
