/** Closure → the store of a host, on its mounted filesystem. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { never } from "../machine/interruption.ts";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { syncFilesystem, syncFolder } from "./cache.ts";
import type { Closure, StoreObject } from "./closure.ts";
import { diskFull } from "./disk-full.ts";

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
  const filesystem = await storeFilesystem(store);
  for (const name of readdirSync(store).filter((name) => name.startsWith(UNFINISHED))) {
    await removeObject(join(store, name));
  }
  await installObject(closure.packages, store, copyTree);
  await installObject(closure, store, filesystem === "btrfs" ? copyWithRootSubvolume : copyTree);
}

type Copy = (from: string, to: string) => Promise<void>;

async function installObject(object: StoreObject, store: string, copy: Copy): Promise<void> {
  const name = basename(object.storePath);
  if (existsSync(join(store, name))) return;
  const unfinished = join(store, `${UNFINISHED}${name}`);
  try {
    await copy(object.folder, unfinished);
    await syncFilesystem(store);
    renameSync(unfinished, join(store, name));
    await syncFolder(store);
  } catch (error) {
    await removeObject(unfinished);
    throw (
      diskFull(error, "make the host's disk larger: a small host wants about 1 GB for each set of packages") ?? error
    );
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await run("cp", ["-a", "--reflink=auto", "--no-target-directory", "--", from, to]);
}

/**
 * The pristine root becomes a read-only subvolume, so that a fresh root is a snapshot of it: btrfs-subvolume(8). The
 * folder's own time comes last, for what is made in it changes it; then the copy has the digest of the original.
 */
async function copyWithRootSubvolume(from: string, to: string): Promise<void> {
  mkdirSync(to);
  chmodSync(to, 0o755);
  const rest = readdirSync(from).filter((name) => name !== "root");
  await run("cp", ["-a", "--reflink=auto", "--", ...rest.map((name) => join(from, name)), to]);
  await run("btrfs", ["subvolume", "create", join(to, "root")]);
  await copyTree(`${from}/root/.`, join(to, "root"));
  await run("btrfs", ["property", "set", "-t", "subvol", join(to, "root"), "ro", "true"]);
  await run("touch", ["--no-create", `--reference=${from}`, "--", to]);
}

/** Not interruptible: it undoes. */
async function removeObject(path: string): Promise<void> {
  // A read-only subvolume cannot be removed as a folder. Where it is not a subvolume yet, this fails.
  await run("btrfs", ["subvolume", "delete", join(path, "root")], { signal: never }).catch(() => {});
  await run("rm", ["-rf", "--one-file-system", "--", path], { signal: never });
}

async function storeFilesystem(folder: string): Promise<"btrfs" | "ext4"> {
  const type = (await run("stat", ["--file-system", "--format=%T", "--", folder])).trim();
  if (type === "btrfs") return "btrfs";
  if (type === "ext2/ext3") return "ext4"; // stat(1) knows one name for all of them
  throw new UserError(`${folder} is on ${type}, not on btrfs or ext4`, [
    "mount the host's disk there first: nixfleet disk HOST --mode mount",
  ]);
}
