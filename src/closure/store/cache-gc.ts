/** What of the cache no build is likely to want again. */
import { readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../../local/process.ts";
import { type Cache, removeTree } from "./cache.ts";

export interface UnneededCache {
  /** Names of store objects, closures first. */
  readonly objects: readonly string[];
  /** Names of downloaded packages, and of what the index says of objects that are to go. */
  readonly debs: readonly string[];
  readonly index: readonly string[];
}

/**
 * Of each host, the `keep` closures that were used last stay, with what they refer to, and what their packages were downloaded as.
 */
export async function unneededCache(cache: Cache, keep: number): Promise<UnneededCache> {
  const names = (await readdir(cache.store).catch(() => [])).filter((name) => !name.startsWith("."));
  const entries = await indexEntries(cache);
  const used = new Map<string, number>();
  for (const { object, time } of entries) used.set(object, Math.max(time, used.get(object) ?? 0));
  const closures = names.filter((name) => /^\w{32}-nixfleet-/.test(name));
  const newestFirst = closures.toSorted((a, b) => (used.get(b) ?? 0) - (used.get(a) ?? 0));
  const perHost = Map.groupBy(newestFirst, (name) => name.slice(32));
  const kept = new Set([...perHost.values()].flatMap((ofHost) => ofHost.slice(0, keep)));
  for (const name of [...kept]) {
    for (const reference of await referencesOf(cache, name)) kept.add(reference);
  }
  const objects = names.filter((name) => !kept.has(name)).sort((a, b) => rank(a) - rank(b));
  return {
    objects,
    debs: await unneededDebs(cache, [...kept]),
    index: entries.filter(({ object }) => !kept.has(object)).map(({ entry }) => entry),
  };
}

/** Killed at any moment, what the cache has by a name is whole. The caller has the cache for itself. */
export async function removeFromCache(cache: Cache, { objects, debs, index }: UnneededCache): Promise<void> {
  for (const entry of index) await rm(join(cache.index, entry), { force: true });
  for (const name of objects) {
    await rm(join(cache.whole, name), { force: true });
    await removeTree(join(cache.store, name));
  }
  for (const name of debs) await rm(join(cache.debs, name), { force: true });
}

/** No closure is there without what it refers to. */
function rank(name: string): number {
  return name.includes("-nixfleet-") ? 0 : 1;
}

/** An entry is as old as its last use: see `lookUp`. */
async function indexEntries(cache: Cache) {
  const entries = (await readdir(cache.index).catch(() => [])).filter((name) => !name.startsWith("."));
  return Promise.all(
    entries.map(async (entry) => {
      const path = join(cache.index, entry);
      return { entry, object: await readFile(path, "utf8"), time: (await stat(path)).mtimeMs };
    }),
  );
}

/** Its packages, and its runtime. */
async function referencesOf(cache: Cache, closure: string): Promise<readonly string[]> {
  const links = ["usr", "runtime"].map((name) => readlink(join(cache.store, closure, name)).catch(() => ""));
  return (await Promise.all(links)).flatMap((link) => /^\.\.\/([\w-]+)/.exec(link)?.[1] ?? []);
}

async function unneededDebs(cache: Cache, kept: readonly string[]): Promise<readonly string[]> {
  const lists = kept
    .filter((one) => /^\w{32}-debian-/.test(one))
    .map((name) => join(cache.store, name, "packages.list"));
  const wanted = new Set(
    (await Promise.all(lists.map((list) => readFile(list, "utf8")))).flatMap((text) => text.split("\n")),
  );
  const files = (await readdir(cache.debs).catch(() => [])).filter((name) => name.endsWith(".deb"));
  if (files.length === 0) return [];
  const each = `for deb; do dpkg-deb --show --showformat="$deb\\t\\\${Package}\\t\\\${Version}\\n" "$deb"; done`;
  const listed = await run("sh", ["-euc", each, "sh", ...files.map((name) => join(cache.debs, name))]);
  return listed
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"))
    .filter(([, name, version]) => !wanted.has(`${name}\t${version}`))
    .map(([path = ""]) => basename(path));
}
