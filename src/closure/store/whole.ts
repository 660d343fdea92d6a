/** Whether what the cache has is what was built. Its name alone says nothing. */
import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../local/process.ts";
import { isRoot } from "../../local/root.ts";
import { type Cache, removeTree } from "./cache.ts";
import { objectDifferences } from "./digest.ts";

/**
 * Whether an object of the cache is whole. Reading all of it takes seconds; so what was whole counts as such for as long
 * as none of its files has another inode or was changed since, in whatever way (ctime; see inode(7)). What a disk loses by
 * itself shows when the object is copied to a host, which reads all of it, and in `nixfleet verify`.
 */
export async function isWhole(cache: Cache, name: string): Promise<boolean> {
  // Somebody else cannot read all of it, and makes nothing of it either.
  if (!isRoot()) return true;
  const note = join(cache.whole, name);
  const now = await inodes(join(cache.store, name));
  if ((await readFile(note, "utf8").catch(() => "")) === now) return true;
  if ((await objectDifferences(join(cache.store, name), name)).length > 0) return false;
  await mkdir(cache.whole, { recursive: true });
  await writeFile(note, now);
  return true;
}

/** Removes an object that is damaged. The caller holds the lock of the cache. */
export async function removeDamaged(cache: Cache, name: string, onProgress: (step: string) => void): Promise<void> {
  const folder = join(cache.store, name);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere || (await isWhole(cache, name))) return;
  onProgress(`${name} in the cache is damaged: building it again`);
  await removeTree(folder);
}

export interface Damage {
  /** An object, or a package. */
  readonly name: string;
  /** A line each. */
  readonly differences: readonly string[];
}

/** Reads every object of the cache. What is damaged is made again by the next build that wants it. */
export async function verifyStore(cache: Cache, onProgress: (step: string) => void): Promise<readonly Damage[]> {
  const names = await readdir(cache.store).catch(() => []);
  const damages: Damage[] = [];
  for (const name of names.filter((one) => !one.startsWith(".")).sort()) {
    onProgress(name);
    const differences = await objectDifferences(join(cache.store, name), name);
    if (differences.length === 0) continue;
    damages.push({ name, differences });
    await rm(join(cache.whole, name), { force: true });
  }
  return damages;
}

async function inodes(folder: string): Promise<string> {
  const listed = await run("find", [folder, "-printf", "%i %C@ %P\\n"]);
  return createHash("sha256").update(listed).digest("hex");
}
