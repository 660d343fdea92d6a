/** Moves the lock: a first build adds what it asks for, and only `nixfleet update` replaces what is there. */
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { type AccountIds, hasIdsOf } from "./account-ids.ts";
import { type Cache, lockCache, openCache } from "./cache.ts";
import { diskFull } from "./disk-full.ts";
import {
  type Lock,
  type LockEntry,
  type LockedPackage,
  type PackageRequest,
  packageRequest,
  readLock,
  requestKey,
  writeLock,
} from "./lock.ts";
import { resolveRequest } from "./resolve.ts";

export interface LockChange {
  readonly name: string;
  /** A version; `null`: new in the lock. */
  readonly from: string | null;
  /** `null`: gone from the lock. */
  readonly to: string | null;
}

export interface LockOptions {
  readonly fleetFolder: string;
  readonly cache?: string;
  readonly fleet?: readonly HostPlan[];
  readonly onProgress?: (step: string) => void;
}

/**
 * Locks every request of the fleet to what its archive has now, and drops the others.
 * @returns what changed, sorted by name
 * @throws UserError when a request cannot be resolved; the lock then stays as it was
 */
export async function updateLock(plans: readonly HostPlan[], options: LockOptions): Promise<readonly LockChange[]> {
  const progress = options.onProgress ?? (() => {});
  const cache = await openCache(options.cache);
  try {
    await using _ = await lockCache(cache, () => progress("waiting for another build to end"));
    const old = await readLock(options.fleetFolder);
    const requests: Record<string, LockEntry> = {};
    for (const [key, request] of requestsOf(plans)) {
      progress(`resolving the packages of ${key}`);
      const entry = await resolveRequest(request, [], now(), cache);
      const before = old.requests[key];
      // An update that finds nothing new leaves the date, and so the digest of every closure, as it was.
      requests[key] = before !== undefined && samePackages(before, entry) ? before : entry;
    }
    const lock: Lock = { ...old, requests };
    await writeLock(options.fleetFolder, lock);
    return lockChanges(old, lock);
  } catch (error) {
    throw diskFull(error) ?? error;
  }
}

/** The locked packages of a plan; resolved and written to the lock where it does not have them. */
export async function lockRequest(
  plan: HostPlan,
  options: LockOptions,
  cache: Cache,
  progress: (step: string) => void,
): Promise<LockEntry> {
  const request = packageRequest(plan.packages);
  const key = requestKey(request);
  const lock = await readLock(options.fleetFolder);
  const locked = lock.requests[key];
  if (locked !== undefined) return locked;
  progress(`resolving the packages of ${key}`);
  const entry = await resolveRequest(request, packagesToKeep(lock, request), now(), cache);
  const used = options.fleet === undefined ? null : new Set(requestsOf(options.fleet).keys());
  const others = Object.entries(lock.requests).filter(([other]) => used === null || used.has(other));
  await writeLock(options.fleetFolder, { ...lock, requests: { ...Object.fromEntries(others), [key]: entry } });
  return entry;
}

/** Keeps the ids of accounts that are new in the lock. */
export async function lockIds(ids: AccountIds, fleetFolder: string): Promise<void> {
  const lock = await readLock(fleetFolder);
  if (!hasIdsOf(ids, lock.ids)) await writeLock(fleetFolder, { ...lock, ids });
}

/** What the fleet has locked of the same suite: one package more is not to move all others. The newest entry decides. */
export function packagesToKeep(lock: Lock, request: PackageRequest): LockedPackage[] {
  const related = Object.values(lock.requests)
    .filter(({ request: other }) => other.suite === request.suite && other.architecture === request.architecture)
    .sort((a, b) => a.date - b.date);
  const byName = new Map(related.flatMap((entry) => entry.packages.map((one) => [one.name, one])));
  return [...byName.values()];
}

/** Sorted by name. Where a fleet has several versions of a package, they are joined. */
export function lockChanges(before: Lock, after: Lock): readonly LockChange[] {
  const [from, to] = [versions(before), versions(after)];
  return [...new Set([...from.keys(), ...to.keys()])]
    .sort()
    .map((name) => ({ name, from: from.get(name) ?? null, to: to.get(name) ?? null }))
    .filter((change) => change.from !== change.to);
}

function versions(lock: Lock): Map<string, string> {
  const all = Object.values(lock.requests).flatMap((entry) => entry.packages);
  const byName = Map.groupBy(all, (one) => one.name);
  return new Map(
    [...byName].map(([name, ones]) => [name, [...new Set(ones.map((one) => one.version))].sort().join(", ")]),
  );
}

function requestsOf(plans: readonly HostPlan[]): Map<string, PackageRequest> {
  const requests = plans.map((plan) => packageRequest(plan.packages));
  return new Map(requests.map((request) => [requestKey(request), request]));
}

function samePackages(a: LockEntry, b: LockEntry): boolean {
  const hashes = (entry: LockEntry): string => entry.packages.map((one) => one.sha256).join();
  return hashes(a) === hashes(b);
}

function now(): number {
  const seconds = Math.floor(Date.now() / 1000);
  if (seconds < 1_700_000_000) throw new UserError("this machine's clock is years behind", ["set it: timedatectl"]);
  return seconds;
}
