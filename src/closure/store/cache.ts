/** The local cache of builds: packages by hash, store objects, and an index from inputs to what was made of them. */
import { constants } from "node:fs";
import {
  access,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../../errors.ts";
import { syncFolder } from "../../local/durable-file.ts";
import { fileLock } from "../../local/file-lock.ts";
import { never } from "../../local/interruption.ts";
import { run } from "../../local/process.ts";

export interface Cache {
  readonly folder: string;
  /** `<sha256>.deb` */
  readonly debs: string;
  /** `<digest>-<name>`: what a host has below `/nix/store`. */
  readonly store: string;
  /** A file named for a hash of inputs says the store name of what was made from them. */
  readonly index: string;
  /** Notes on objects that were found whole: see whole.ts. */
  readonly whole: string;
}

/** `$NIXFLEET_CACHE`, or `nixfleet` in the user's cache folder (XDG base directory specification). */
export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env.NIXFLEET_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "nixfleet");
}

/** To look things up in: it need not be there, nor be writable. */
export function cacheAt(path: string = defaultCacheFolder()): Cache {
  const folder = resolve(path);
  const part = (name: string) => join(folder, name);
  return { folder, debs: part("debs"), store: part("store"), index: part("index"), whole: part("whole") };
}

/** @throws UserError when the folder cannot be made or written, or another user builds in it */
export async function openCache(path: string = defaultCacheFolder()): Promise<Cache> {
  const cache = cacheAt(path);
  const { folder } = cache;
  try {
    for (const part of [cache.debs, cache.store, cache.index]) await mkdir(part, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`cannot write to the cache ${folder}`, [reason, ELSEWHERE]);
  }
  // To root, what an ordinary user has built there is damaged, for it belongs to that user's ids; and the other way round.
  if ((await stat(cache.store)).uid !== process.getuid?.()) {
    throw new UserError(`another user builds in the cache ${folder}`, [`${cache.store} belongs to them`, ELSEWHERE]);
  }
  return cache;
}

const ELSEWHERE = "set NIXFLEET_CACHE to another folder";

export function debFile(cache: Cache, sha256: string): string {
  return join(cache.debs, `${sha256}.deb`);
}

/** Begins the names of what is being made. */
const UNFINISHED = ".new-";

/**
 * Makes this process the only one that builds in the cache, until the end of the scope. What has an unfinished name
 * then belongs to no living build, and is removed.
 */
export async function lockCache(cache: Cache, onWait: (holder: string) => void): Promise<AsyncDisposable> {
  const lock = await fileLock(join(cache.folder, "locks", "build"), onWait);
  try {
    await rm(join(cache.folder, "lock"), { force: true }); // what older versions locked, which any user could
    for (const folder of [cache.folder, cache.debs, cache.store, cache.index]) {
      const names = (await readdir(folder)).filter((name) => name.startsWith(UNFINISHED));
      for (const name of names) await removeTree(join(folder, name));
    }
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  return lock;
}

export interface Unfinished extends AsyncDisposable {
  readonly path: string;
  /** Moves the folder `part` of it to its place, once it is on the disk. Where the place is taken, that one stays. */
  finish(part: string, target: string): Promise<void>;
}

/** A new folder in `parent`, removed at the end of the scope. */
export async function unfinishedFolder(parent: string): Promise<Unfinished> {
  const path = await mkdtemp(join(parent, UNFINISHED));
  return {
    path,
    finish: async (part, target) => {
      await syncFilesystem(path);
      await renameUnlessTaken(join(path, part), target);
      await syncFolder(dirname(target));
    },
    [Symbol.asyncDispose]: () => removeTree(path),
  };
}

/** One for an object to be made in: what is made there inherits nothing from the folders above, neither a group nor an ACL. */
export async function unfinishedObject(cache: Cache): Promise<Unfinished> {
  const work = await unfinishedFolder(cache.store);
  try {
    await chmod(work.path, 0o700); // without the set-group-ID bit
    await run("setfacl", ["--remove-all", "--remove-default", "--", work.path]);
    return work;
  } catch (error) {
    await work[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The name of the store object that was made from these inputs, or `null`. Whether it is whole, whole.ts knows. That it was
 * looked up is its last use: see cache-gc.ts.
 */
export async function lookUp(cache: Cache, inputs: string): Promise<string | null> {
  try {
    const entry = join(cache.index, inputs);
    const name = await readFile(entry, "utf8");
    await access(join(cache.store, name));
    await utimes(entry, new Date(), new Date()).catch(() => {}); // somebody else's cache
    return name;
  } catch {
    return null;
  }
}

export async function remember(cache: Cache, inputs: string, name: string): Promise<void> {
  const temporary = join(cache.index, `${UNFINISHED}${inputs}`);
  await writeFile(temporary, name, { flush: true });
  await rename(temporary, join(cache.index, inputs));
}

/** syncfs(2): what was written below this path is on the disk. */
export async function syncFilesystem(path: string): Promise<void> {
  await run("sync", ["--file-system", "--", path]);
}

/** Not `fs.rm`: should a dead build have left a mount in its tree, what is mounted there must stay. Not interruptible. */
export async function removeTree(path: string): Promise<void> {
  await run("rm", ["-rf", "--one-file-system", "--", path], { signal: never });
}

async function renameUnlessTaken(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}
