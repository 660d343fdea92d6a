/** What of a content repository no host is to get any more. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { listedFiles } from "./changes.ts";
import { contentPath } from "./paths.ts";
import { referencesIn } from "./publish.ts";
import type { Repository } from "./repository.ts";

export interface Unneeded {
  /** Of each host, the closures that stay, the newest last. */
  readonly kept: ReadonlyMap<string, readonly string[]>;
  /** Paths in the repository, those first that lead to others. */
  readonly paths: readonly string[];
  readonly bytes: number;
}

/**
 * @param keep how many closures of each host stay, the newest
 * @param also names of closures that stay too, where the repository has them
 * @throws UserError where it cannot be read what one that stays holds: then nothing is unneeded
 */
export async function unneeded(repository: Repository, keep: number, also: Iterable<string> = []): Promise<Unneeded> {
  const published = await repository.published();
  const kept = new Map([...published].map(([host, closures]) => [host, closures.slice(-keep)]));
  const objects = new Set<string>();
  const files = new Set<string>();
  const need = async (name: string): Promise<void> => {
    if (objects.has(name)) return;
    objects.add(name);
    const list = await repository.list(name);
    for (const { sha256 } of listedFiles(list)) files.add(contentPath({ kind: "file", sha256 }));
    for (const reference of referencesIn(list)) await need(reference);
  };
  for (const name of [...kept.values()].flat()) await need(name);
  for (const name of also) if (repository.has(contentPath({ kind: "list", name, from: null }))) await need(name);

  const inside = async (folder: string) =>
    (await readdir(join(repository.folder, folder)).catch(() => [])).map((name) => `${folder}/${name}`);
  const unneededObjects = (await inside("objects")).filter((path) => !objects.has(path.slice("objects/".length)));
  const folders = await inside("files");
  const unneededFiles = (await Promise.all(folders.map(inside))).flat().filter((path) => !files.has(path));
  const paths = [...unneededObjects, ...unneededFiles];
  const sizes = await Promise.all(paths.map((path) => sizeOf(join(repository.folder, path))));
  return { kept, paths, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Killed at any moment, what the repository names is whole: records go first, then objects, then their files. */
export async function removeUnneeded(repository: Repository, { kept, paths }: Unneeded): Promise<void> {
  for (const [host, closures] of kept) await repository.record(host, closures);
  for (const path of paths) await repository.remove(path);
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
