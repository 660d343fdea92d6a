/** Moves the lock: a first build adds what it asks for, and only `nixfleet update` replaces what is there. */

import { UserError } from "../../errors.ts";
import { CommandError, run } from "../../local/process.ts";
import type { HostPlan } from "../../plan/host.ts";
import { type Cache, lockCache, openCache } from "../store/cache.ts";
import { diskFull } from "../store/disk-full.ts";
import { type AccountIds, hasIdsOf, withIdsOf } from "./account-ids.ts";
import {
  changeLock,
  EMPTY_LOCK,
  type Lock,
  type LockEntry,
  type LockedPackage,
  type PackageRequest,
  packageRequest,
  readLock,
  requestKey,
} from "./lock.ts";
import { adoptDebs } from "./own-debs.ts";
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

export interface UpdateOptions extends LockOptions {
  /** Whether packages may become older. */
  readonly allowOlder?: boolean;
}

/**
 * Locks every request of the fleet to what its archive has now, and drops the others.
 * @returns what changed, sorted by name
 * @throws UserError when a request cannot be resolved; the lock then stays as it was
 */
export async function updateLock(plans: readonly HostPlan[], options: UpdateOptions): Promise<readonly LockChange[]> {
  const progress = options.onProgress ?? (() => {});
  const cache = await openCache(options.cache);
  try {
    await using _ = await lockCache(cache, (holder) => progress(`waiting for another build: ${holder}`));
    await readLock(options.fleetFolder); // one that is damaged is said at once
    const resolved: Record<string, LockEntry> = {};
    for (const [key, request] of requestsOf(plans)) {
      progress(`resolving the packages of ${key}`);
      resolved[key] = await resolveRequest(
        request,
        [],
        now(),
        cache,
        await adoptDebs(request, options.fleetFolder, cache),
      );
    }
    let old: Lock = EMPTY_LOCK;
    const lock = await changeLock(options.fleetFolder, async (found) => {
      old = found;
      const next = { ...found, requests: keepingDates(resolved, found) };
      if (!options.allowOlder) await refuseOlder(lockChanges(found, next));
      return next;
    });
    return lockChanges(old, lock);
  } catch (error) {
    throw diskFull(error) ?? error;
  }
}

/** An archive that is behind, or that is not read any more, takes security updates back. */
async function refuseOlder(changes: readonly LockChange[]): Promise<void> {
  const older: string[] = [];
  for (const { name, from, to } of changes) {
    if (from === null || to === null) continue;
    if (await isBehind(to.split(", "), from.split(", "))) older.push(`${name} from ${from} to ${to}`);
  }
  if (older.length === 0) return;
  throw new UserError(
    `${older.length === 1 ? "a package" : `${older.length} packages`} would become older, so nothing was changed`,
    [
      ...older.slice(0, 20),
      ...(older.length > 20 ? [`and ${older.length - 20} more`] : []),
      "check nixfleet.debian.archive and defaultArchive: is an archive missing that had the newer version?",
      "if this is intended, add: --allow-older",
    ],
  );
}

/** Whether one of the former versions is newer than all that there are now. */
async function isBehind(now: readonly string[], before: readonly string[]): Promise<boolean> {
  for (const former of before) {
    const older = await Promise.all(now.map((version) => isOlder(version, former)));
    if (older.every((one) => one)) return true;
  }
  return false;
}

/** By Debian's own rules, deb-version(7). */
async function isOlder(version: string, than: string): Promise<boolean> {
  return run("dpkg", ["--compare-versions", version, "lt", than]).then(
    () => true,
    (error: unknown) => {
      if (error instanceof CommandError && error.exitCode === 1) return false;
      throw error;
    },
  );
}

/** An update that finds nothing new leaves the date, and so the digest of every closure, as it was. */
function keepingDates(resolved: Lock["requests"], old: Lock): Lock["requests"] {
  const kept = Object.entries(resolved).map(([key, entry]) => {
    const before = old.requests[key];
    return [key, before !== undefined && samePackages(before, entry) ? before : entry] as const;
  });
  return Object.fromEntries(kept);
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
  const own = await adoptDebs(request, options.fleetFolder, cache);
  const locked = lock.requests[key];
  if (locked !== undefined) return locked;
  progress(`resolving the packages of ${key}`);
  const entry = await resolveRequest(request, packagesToKeep(lock, request), now(), cache, own);
  const used = options.fleet === undefined ? null : new Set(requestsOf(options.fleet).keys());
  const changed = await changeLock(options.fleetFolder, (found) => {
    // Another build, with another cache, has locked it meanwhile: both are to make the same.
    if (found.requests[key] !== undefined) return found;
    const others = Object.entries(found.requests).filter(([other]) => used === null || used.has(other));
    return { ...found, requests: { ...Object.fromEntries(others), [key]: entry } };
  });
  return changed.requests[key] ?? entry;
}

/**
 * Keeps the ids of accounts that are new in the lock. What another build has kept meanwhile, stays.
 * @returns those of the lock by now: `names` has others only where another build was first
 */
export async function lockIds(names: AccountIds, fleetFolder: string): Promise<AccountIds> {
  const { ids } = await readLock(fleetFolder);
  if (hasIdsOf(names, ids)) return ids;
  const lock = await changeLock(fleetFolder, (found) => ({ ...found, ids: withIdsOf(names, found.ids) }));
  return lock.ids;
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
