/** What must be undone: temporary folders, mounts and loop devices, each owned by an `await using`. */
import { chmod, mkdir, mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { never } from "./interruption.ts";
import { run } from "./process.ts";

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** A new empty folder below `parent`, removed with all it holds at the end of the scope. */
export async function temporaryFolder(parent: string = tmpdir()): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(parent, "nixfleet-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/**
 * A new empty folder below `parent` to mount on, removed at the end of the scope only if it is empty again: should an unmounting have
 * failed, removing all it holds would delete what is on the disk.
 */
export async function mountFolder(parent: string = tmpdir()): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(parent, "nixfleet-mount-"));
  return { path, [Symbol.asyncDispose]: () => rmdir(path) };
}

/** A folder that stays, which nobody but its owner enters; one that is there already is closed. */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}

export interface LoopDevice extends AsyncDisposable {
  /** `/dev/loopN`; its partitions, if any, are `/dev/loopNp1` and so on. */
  readonly device: string;
}

/** Attaches an image file to a free loop device, with its partitions scanned. */
export async function loopDevice(image: string): Promise<LoopDevice> {
  // Ended half-way, losetup could leave a device attached that nobody knows of.
  const device = (await run("losetup", ["--find", "--show", "--partscan", "--", image], { signal: never })).trim();
  return {
    device,
    [Symbol.asyncDispose]: async () => {
      await run("losetup", ["--detach", device], { signal: never });
    },
  };
}

/** Mounts `source` on the existing folder `target` until the end of the scope. */
export async function mounted(
  source: string,
  target: string,
  options: readonly string[] = [],
): Promise<AsyncDisposable> {
  await run("mount", [...(options.length > 0 ? ["-o", options.join(",")] : []), "--", source, target]);
  return {
    [Symbol.asyncDispose]: async () => {
      await run("umount", ["--recursive", "--", target], { signal: never });
    },
  };
}
