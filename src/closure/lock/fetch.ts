/** Gets the locked packages into the cache: exactly those versions, exactly those bytes. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../errors.ts";
import { syncFolder } from "../../local/durable-file.ts";
import { CommandError } from "../../local/process.ts";
import { type Cache, debFile, syncFilesystem, unfinishedFolder } from "../store/cache.ts";
import { type Apt, openApt } from "./apt.ts";
import { LOCK_FILE, type LockEntry, type LockedPackage } from "./lock.ts";

/**
 * Downloads what the cache does not have. With everything in the cache, no network is used.
 * @throws UserError when the archive has a locked version no longer, or with other content
 */
export async function fetchPackages(entry: LockEntry, cache: Cache, onProgress: (step: string) => void): Promise<void> {
  const cached = new Set(await cachedPackages(cache, entry.packages));
  const missing = entry.packages.filter((one) => !cached.has(one));
  if (missing.length === 0) return;
  const megabytes = Math.ceil(missing.reduce((sum, one) => sum + one.size, 0) / 1e6);
  onProgress(`downloading ${missing.length} packages, ${megabytes} MB`);

  await using work = await unfinishedFolder(cache.folder);
  const apt = await openApt(entry.request, work.path);
  const names = missing.map((one) => `${one.name}=${one.version}`);
  await refuseGone(apt, missing);
  const folder = join(work.path, "download");
  await mkdir(folder);
  try {
    await apt.get(["download", ...names], folder);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError("cannot download locked packages", ["check the network", ...error.detail]);
  }
  await keepDownloads(folder, missing, cache);
}

/** Those of `packages` that the cache has, whole; one whose bytes have changed is removed from it. */
export async function cachedPackages(cache: Cache, packages: readonly LockedPackage[]): Promise<LockedPackage[]> {
  const found: LockedPackage[] = [];
  for (const one of packages) {
    const file = debFile(cache, one.sha256);
    const size = await stat(file).then(
      (stats) => stats.size,
      () => null,
    );
    if (size === null) continue;
    if (size === one.size && (await fileDigest(file)) === one.sha256) found.push(one);
    else await rm(file);
  }
  return found;
}

async function refuseGone(apt: Apt, wanted: readonly LockedPackage[]): Promise<void> {
  // One line for each version of each package: ` name | version | where`.
  const listed = (await apt.cache(["madison", ...wanted.map((one) => one.name)])).split("\n");
  const available = new Set(
    listed.map((line) =>
      line
        .split("|", 2)
        .map((cell) => cell.trim())
        .join("="),
    ),
  );
  const gone = wanted.filter((one) => !available.has(`${one.name}=${one.version}`));
  if (gone.length === 0) return;
  throw new UserError(`${gone.length} locked packages are no longer in the cache or in the archive`, [
    ...gone.slice(0, 8).map((one) => `${one.name} ${one.version}`),
    ...(gone.length > 8 ? [`and ${gone.length - 8} more`] : []),
    `to put what the archive has now into ${LOCK_FILE}, run: nixfleet update`,
    "or set nixfleet.debian.archive to a snapshot of the archive from the time of the lock",
  ]);
}

async function keepDownloads(folder: string, wanted: readonly LockedPackage[], cache: Cache): Promise<void> {
  const files = new Map<string, string>();
  for (const name of await readdir(folder)) files.set(await fileDigest(join(folder, name)), join(folder, name));
  const other = wanted.filter((one) => !files.has(one.sha256));
  if (other.length > 0) {
    throw new UserError("the archive has different content for locked packages", [
      ...other.slice(0, 8).map((one) => `${one.name} ${one.version}: not sha256 ${one.sha256}`),
      `if you trust the archive, lock what it has now: nixfleet update`,
    ]);
  }
  await syncFilesystem(folder);
  for (const { sha256 } of wanted) await rename(files.get(sha256) ?? "", debFile(cache, sha256));
  await syncFolder(cache.debs);
}

async function fileDigest(file: string): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(file), digest);
  return digest.digest("hex");
}
