/** A QEMU of a newer Debian, unpacked in the cache: it runs on an older one, beside what is installed there. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { fetchPackages } from "../closure/lock/fetch.ts";
import { type LockEntry, type PackageRequest, readLock, requestKey, writeLock } from "../closure/lock/lock.ts";
import { resolveRequest } from "../closure/lock/resolve.ts";
import { type Cache, cacheAt, debFile, lockCache, openCache, unfinishedFolder } from "../closure/store/cache.ts";
import { run } from "../local/process.ts";

export interface QemuTree {
  /** The tree's own dynamic loader: ld.so(8). */
  readonly loader: string;
  readonly libraries: string;
  readonly programs: string;
  readonly share: string;
}

/** Debian's names of the architectures that this program runs on. */
const ARCHITECTURES: Readonly<Record<string, { name: string; libraries: string; loader: string } | undefined>> = {
  x64: { name: "amd64", libraries: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" },
  arm64: { name: "arm64", libraries: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" },
};

/** The tree of these packages, if the cache has it. */
export async function keptTree(packages: readonly string[]): Promise<QemuTree | null> {
  const cache = cacheAt();
  const { requests } = await readLock(folderOf(cache));
  const entry = requests[requestKey(requestFor(packages))];
  return entry !== undefined && existsSync(placeOf(entry, cache)) ? described(placeOf(entry, cache)) : null;
}

/**
 * Unpacks the packages, and no more: that takes seconds. Their versions and hashes are locked as those of a fleet are.
 * @throws UserError when the archive cannot be reached
 */
export async function makeTree(packages: readonly string[]): Promise<QemuTree> {
  const cache = await openCache();
  await using _ = await lockCache(cache, () => {});
  const made = await keptTree(packages);
  if (made !== null) return made;
  const request = requestFor(packages);
  const key = requestKey(request);
  const folder = folderOf(cache);
  await mkdir(folder, { recursive: true });
  const lock = await readLock(folder);
  const kept = lock.requests[key]?.packages ?? [];
  const entry = await resolveRequest(request, kept, Math.floor(Date.now() / 1000), cache);
  await fetchPackages(entry, cache, () => {});
  await using work = await unfinishedFolder(cache.folder);
  const tree = join(work.path, "tree");
  await mkdir(tree);
  for (const { sha256 } of entry.packages) await run("dpkg-deb", ["--extract", debFile(cache, sha256), tree]);
  await work.finish("tree", placeOf(entry, cache));
  await writeLock(folder, { ...lock, requests: { ...lock.requests, [key]: entry } });
  return described(placeOf(entry, cache));
}

function folderOf(cache: Cache): string {
  return join(cache.folder, "qemu");
}

function placeOf(entry: LockEntry, cache: Cache): string {
  const packages = entry.packages.map(({ sha256 }) => sha256).join("\n");
  return join(folderOf(cache), createHash("sha256").update(packages).digest("hex").slice(0, 32));
}

function requestFor(packages: readonly string[]): PackageRequest {
  const architecture = ARCHITECTURES[arch()]?.name ?? arch();
  return { suite: "trixie", architecture, archive: [], packages: [...packages], locales: [] };
}

function described(tree: string): QemuTree {
  const { libraries, loader } = ARCHITECTURES[arch()] ?? { libraries: "", loader: "" };
  const folder = join(tree, "usr/lib", libraries);
  return {
    loader: join(folder, loader),
    libraries: folder,
    programs: join(tree, "usr/bin"),
    share: join(tree, "usr/share"),
  };
}
