/** Plan → closure: everything immutable that a host runs, as store objects in the local cache. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { requireSomeRoot } from "../local/user-namespace.ts";
import type { HostPlan } from "../plan/host.ts";
import { type AccountIds, allocatedIds, idsOf } from "./lock/account-ids.ts";
import { type LockEntry, packageRequest, readLock, requestKey } from "./lock/lock.ts";
import { lockIds, lockRequest } from "./lock/update.ts";
import { type Cache, cacheAt, lockCache, lookUp, openCache } from "./store/cache.ts";
import { useCache } from "./store/cache-use.ts";
import { diskFull } from "./store/disk-full.ts";
import { isWhole } from "./store/whole.ts";
import type { Activation } from "./tree/activation.ts";
import { hostInputs, hostObject, type Needs } from "./tree/host-object.ts";
import { lookUpPackages, packageObject } from "./tree/package-object.ts";
import { lookUpRuntime, runtimeObject } from "./tree/runtime-object.ts";

export interface StoreObject {
  /** On the host: `/nix/store/<digest>-<name>`. */
  readonly storePath: string;
  /** In the local cache. */
  readonly folder: string;
}

export interface Closure extends StoreObject {
  /** 32 characters, of everything in it. */
  readonly digest: string;
  /** The packages, which it refers to. */
  readonly packages: StoreObject;
  /** Node and the fleet's own programs, of a host that runs them. */
  readonly runtime: StoreObject | null;
  /** Whether it was made now, rather than found in the cache. */
  readonly fresh: boolean;
}

export interface BuildOptions {
  /** Where `fleet.ts` and its lock are. */
  readonly fleetFolder: string;
  /** By default `defaultCacheFolder()`. */
  readonly cache?: string;
  /** Every plan of the fleet, if known: what none of them asks for any more leaves the lock when it is written. */
  readonly fleet?: readonly HostPlan[];
  /** Called with each step as it begins. */
  readonly onProgress?: (step: string) => void;
}

/**
 * Builds a host's closure. The first build of a package request locks its packages, and the ids of the accounts that
 * they make, in `nixfleet.lock`; from then on the same inputs give the same digest, on any machine, at any time.
 * @throws UserError for whatever the user can change: no root, no network, a full disk, a plan that does not fit
 */
export async function buildClosure(plan: HostPlan, activation: Activation, options: BuildOptions): Promise<Closure> {
  const progress = options.onProgress ?? (() => {});
  const found = await findClosure(plan, activation, options);
  if (found !== null) return found;
  requireSomeRoot("build a closure", "its files belong to root and to the users of Debian's packages");
  const cache = await openCache(options.cache);
  await useCache(cache);
  try {
    await using _ = await lockCache(cache, (holder) => progress(`waiting for another build: ${holder}`));
    const entry = await lockRequest(plan, options, cache, progress);
    const { ids } = await readLock(options.fleetFolder);
    // Another build may have made it while this one waited.
    const madeMeanwhile = await lookUpClosure(plan, activation, entry, ids, cache);
    if (madeMeanwhile !== null) return madeMeanwhile;
    const packages = await lockedPackages(entry, ids, cache, options.fleetFolder, progress);
    const runtime = plan.runtime ? await runtimeObject(plan.packages.architecture, cache, progress) : null;
    progress(`making the closure of ${plan.hostName}`);
    const needs = { packages, runtime };
    const made = await hostObject(plan, activation, entry, needs, cache, options.fleetFolder, progress);
    return described(made, needs, cache, true);
  } catch (error) {
    throw diskFull(error) ?? error;
  }
}

/** The package object, in which accounts have the ids of the lock. @returns its name */
async function lockedPackages(
  entry: LockEntry,
  ids: AccountIds,
  cache: Cache,
  fleetFolder: string,
  progress: (step: string) => void,
): Promise<string> {
  const made = await packageObject(entry, ids, cache, progress);
  const kept = await lockIds(made.ids, fleetFolder);
  const own = allocatedIds(join(cache.store, made.name));
  if (JSON.stringify(idsOf(own, kept)) === JSON.stringify(own)) return made.name;
  // Another build, with another cache, has given one of its accounts another id meanwhile.
  return lockedPackages(entry, kept, cache, fleetFolder, progress);
}

/** The closure of a host as it is declared and locked now, if the cache has it whole. */
export async function findClosure(
  plan: HostPlan,
  activation: Activation,
  options: Pick<BuildOptions, "fleetFolder" | "cache">,
): Promise<Closure | null> {
  const cache = cacheAt(options.cache);
  if (existsSync(cache.store)) await useCache(cache);
  const lock = await readLock(options.fleetFolder);
  const locked = lock.requests[requestKey(packageRequest(plan.packages))];
  return locked === undefined ? null : lookUpClosure(plan, activation, locked, lock.ids, cache);
}

async function lookUpClosure(
  plan: HostPlan,
  activation: Activation,
  entry: LockEntry,
  ids: AccountIds,
  cache: Cache,
): Promise<Closure | null> {
  const packages = await lookUpPackages(entry, ids, cache);
  if (packages === null) return null;
  const runtime = plan.runtime ? await lookUpRuntime(plan.packages.architecture, cache) : null;
  if (plan.runtime && runtime === null) return null;
  const needs = { packages, runtime };
  const host = await lookUp(cache, hostInputs(plan, activation, entry, needs));
  if (host === null || !(await isWhole(cache, packages)) || !(await isWhole(cache, host))) return null;
  return described(host, needs, cache, false);
}

function described(host: string, { packages, runtime }: Needs, cache: Cache, fresh: boolean): Closure {
  const object = (name: string): StoreObject => ({ storePath: `/nix/store/${name}`, folder: join(cache.store, name) });
  return {
    ...object(host),
    digest: host.slice(0, 32),
    packages: object(packages),
    runtime: runtime === null ? null : object(runtime),
    fresh,
  };
}

/** What a closure refers to, the closure itself last: whoever brings it somewhere brings them in this order. */
export function objectsOf(
  closure: StoreObject & { readonly packages: StoreObject | null; readonly runtime: StoreObject | null },
): readonly StoreObject[] {
  return [closure.packages, closure.runtime, closure].filter((object) => object !== null);
}
