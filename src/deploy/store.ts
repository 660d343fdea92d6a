/** Closure → the store of a host, on its mounted filesystem. */
import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { syncFilesystem, syncFolder } from "../closure/cache.ts";
import type { Closure, StoreObject } from "../closure/closure.ts";
import { diskFull } from "../closure/disk-full.ts";
import { hostScript } from "../host/generations.ts";
import { never } from "../machine/interruption.ts";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";

/** Begins the names of store objects that are being copied. */
const UNFINISHED = ".new-";

/**
 * Copies a closure and its packages to a host's store. What the store has already is left as it is: an object gets its
 * name only once it is whole and on the disk.
 * @param nixFolder where the host's `@nix`, a btrfs subvolume, is mounted; or a folder on ext4, for a root that stays
 * @throws UserError when that is on another filesystem, or full
 */
export async function installClosure(
  closure: Pick<Closure, "storePath" | "folder" | "packages">,
  nixFolder: string,
): Promise<void> {
  const store = join(nixFolder, "store");
  mkdirSync(store, { recursive: true });
  await refuseOtherFilesystem(store);
  for (const name of readdirSync(store).filter((name) => name.startsWith(UNFINISHED))) {
    await removeObject(join(store, name));
  }
  for (const object of [closure.packages, closure]) await installObject(object, store);
}

async function installObject(object: StoreObject, store: string): Promise<void> {
  const name = basename(object.storePath);
  if (existsSync(join(store, name))) return;
  const unfinished = join(store, `${UNFINISHED}${name}`);
  try {
    await run("cp", ["-a", "--reflink=auto", "--no-target-directory", "--", object.folder, unfinished]);
    await inShell("makeRootSubvolume", unfinished);
    await syncFilesystem(store);
    renameSync(unfinished, join(store, name));
    await syncFolder(store);
  } catch (error) {
    // A filesystem that has become read-only lets nothing be removed.
    await removeObject(unfinished).catch(() => {});
    throw (
      diskFull(
        error,
        "make the host's disk larger, an image with --size: a small host wants about 1 GB for each set of packages",
      ) ?? error
    );
  }
}

/** Not interruptible: it undoes. */
async function removeObject(path: string): Promise<void> {
  await inShell("removeObject", path, never);
}

/** Calls a function of src/host/store-object.sh. */
async function inShell(name: "makeRootSubvolume" | "removeObject", path: string, signal?: AbortSignal): Promise<void> {
  const script = hostScript("store-object");
  const options = signal === undefined ? {} : { signal };
  await run("sh", ["-euc", `. "$1"; ${name} "$2"`, "sh", script, path], options);
}

async function refuseOtherFilesystem(folder: string): Promise<void> {
  const type = (await run("stat", ["--file-system", "--format=%T", "--", folder])).trim();
  if (type === "btrfs" || type === "ext2/ext3") return; // stat(1) knows one name for ext2, ext3 and ext4
  throw new UserError(`${folder} is on ${type}, not on btrfs or ext4`, [
    "mount the host's disk there first: nixfleet disk HOST --mode mount",
  ]);
}
