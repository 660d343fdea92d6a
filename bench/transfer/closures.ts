/** Real closures, each with the one that a host has before it: from what Debian's archive has of packages in two versions. */
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Closure } from "../../src/closure/closure.ts";
import { openApt } from "../../src/closure/lock/apt.ts";
import {
  EMPTY_LOCK,
  type LockEntry,
  type LockedPackage,
  type PackageRequest,
  packageRequest,
  readLock,
  requestKey,
  writeLock,
} from "../../src/closure/lock/lock.ts";
import { parseDescriptions, resolveRequest } from "../../src/closure/lock/resolve.ts";
import { type Cache, lockCache, openCache, unfinishedFolder } from "../../src/closure/store/cache.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { planOf } from "../../src/deploy/load-fleet.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { testedWith } from "../../test/vm/fleet.ts";

export interface Change {
  readonly kind: "configuration" | "update" | "kernel" | "everything";
  readonly what: string;
  /** What the host has; `null`: nothing. */
  readonly former: Closure | null;
  readonly latter: Closure;
}

/** In seconds, of locks: the same in each run, so that the cache has their closures. */
const [BEFORE, NOW] = [1_767_000_000, 1_767_600_000];

/** @param folder for the fleets */
export async function changedClosures(folder: string): Promise<readonly Change[]> {
  const host = testedWith();
  const { now, update, kernel } = await entries(packageRequest(planOf(host, folder).packages));
  const build = async (name: string, built: Host, entry: LockEntry) => {
    const fleetFolder = join(folder, name);
    await mkdir(fleetFolder);
    const requests = { [requestKey(entry.request)]: entry };
    const { ids } = await readLock(folder);
    await writeLock(fleetFolder, { ...EMPTY_LOCK, requests, ids });
    const closure = await buildHost(planOf(built, fleetFolder), { fleetFolder });
    await writeLock(folder, { ...EMPTY_LOCK, ids: (await readLock(fleetFolder)).ids });
    return closure;
  };
  const latter = await build("latter", host, now);
  const configured = testedWith({ environment: { etc: { "motd.d/more": { text: "good morning\n" } } } });
  return [
    {
      kind: "configuration",
      what: "configuration only",
      former: await build("configuration", configured, now),
      latter,
    },
    {
      kind: "update",
      what: `an update of ${update.what}`,
      former: await build("update", host, update.former),
      latter,
    },
    { kind: "kernel", what: "a kernel", former: await build("kernel", host, kernel.former), latter },
    { kind: "everything", what: "everything", former: null, latter },
  ];
}

interface Entries {
  readonly now: LockEntry;
  readonly update: { readonly what: string; readonly former: LockEntry };
  readonly kernel: { readonly former: LockEntry };
}

async function entries(request: PackageRequest): Promise<Entries> {
  const cache = await openCache();
  await using _ = await lockCache(cache, () => {});
  const now = await resolveRequest(request, [], NOW, cache);
  const older = await olderVersions(now, cache);
  const update = ofLargestSource(older.filter(({ path }) => !isKernel(path)));
  const kernel = older.filter(({ path }) => isKernel(path));
  const former = (kept: readonly LockedPackage[]) => resolveRequest(request, kept, BEFORE, cache);
  const what = basename(dirname(update[0]?.path ?? ""));
  return { now, update: { what, former: await former(update) }, kernel: { former: await former(kernel) } };
}

/** Of each locked package the newest version that is older, where the archive has one. */
async function olderVersions(entry: LockEntry, cache: Cache): Promise<readonly LockedPackage[]> {
  await using work = await unfinishedFolder(cache.folder);
  const apt = await openApt(entry.request, work.path);
  // The newest first.
  const known = [...parseDescriptions(await apt.cache(["show", ...entry.packages.map(({ name }) => name)])).values()];
  return entry.packages.flatMap(({ name, version }) => {
    const versions = known.filter((one) => one.name === name);
    return versions.slice(versions.findIndex((one) => one.version === version) + 1, undefined).slice(0, 1);
  });
}

function isKernel(path: string): boolean {
  return /\/linux(-signed-\w+)?\/[^/]+$/.test(path);
}

/** The packages of one source, which are updated together. */
function ofLargestSource(packages: readonly LockedPackage[]): readonly LockedPackage[] {
  const sources = [...Map.groupBy(packages, ({ path }) => dirname(path)).values()];
  const size = (some: readonly LockedPackage[]) => some.reduce((sum, one) => sum + one.size, 0);
  return sources.toSorted((a, b) => size(b) - size(a))[0] ?? [];
}
