/** Plan → closure: everything immutable that a host runs, as two store objects in the local cache. */
import { join } from "node:path";
import { requireRoot } from "../machine/root.ts";
import type { HostPlan } from "../plan/host.ts";
import type { AccountIds } from "./account-ids.ts";
import type { Activation } from "./activation.ts";
import { type Cache, cacheAt, lockCache, lookUp, openCache } from "./cache.ts";
import { diskFull } from "./disk-full.ts";
import { hostInputs, hostObject } from "./host-object.ts";
import { type LockEntry, packageRequest, readLock, requestKey } from "./lock.ts";
import { lookUpPackages, packageObject } from "./package-object.ts";
import { lockIds, lockRequest } from "./update.ts";

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
  requireRoot("build a closure", "its files belong to root and to the users of Debian's packages");
  const cache = await openCache(options.cache);
  try {
    await using _ = await lockCache(cache, () => progress("waiting for another build to end"));
    const entry = await lockRequest(plan, options, cache, progress);
    const { ids } = await readLock(options.fleetFolder);
    // Another build may have made it while this one waited.
    const madeMeanwhile = await lookUpClosure(plan, activation, entry, ids, cache);
    if (madeMeanwhile !== null) return madeMeanwhile;
    const { name: packages, ids: allIds } = await packageObject(entry, ids, cache, progress);
    await lockIds(allIds, options.fleetFolder);
    progress(`making the closure of ${plan.hostName}`);
    return described(await hostObject(plan, activation, entry, packages, cache), packages, cache, true);
  } catch (error) {
    throw diskFull(error) ?? error;
  }
}

/** The closure of a host as it is declared and locked now, if the cache has it. */
export async function findClosure(
  plan: HostPlan,
  activation: Activation,
  options: Pick<BuildOptions, "fleetFolder" | "cache">,
): Promise<Closure | null> {
  const cache = cacheAt(options.cache);
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
  const host = await lookUp(cache, hostInputs(plan, activation, entry, packages));
  return host === null ? null : described(host, packages, cache, false);
}

function described(host: string, packages: string, cache: Cache, fresh: boolean): Closure {
  const object = (name: string): StoreObject => ({ storePath: `/nix/store/${name}`, folder: join(cache.store, name) });
  return { ...object(host), digest: host.slice(0, 32), packages: object(packages), fresh };
}
