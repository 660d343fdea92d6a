/** What one closure changes over another, as far as a content repository tells: packages by version, and files of its own. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import { listedFiles } from "../content/changes.ts";
import { contentPath } from "../content/paths.ts";
import { referencesIn } from "../content/publish.ts";
import type { Repository } from "../content/repository.ts";

export interface ClosureChanges {
  /** `null` where it has, or had, none. */
  readonly packages: readonly {
    readonly name: string;
    readonly before: string | null;
    readonly after: string | null;
  }[];
  /** Paths in the closure. */
  readonly files: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
}

/**
 * @param before the name of a store object
 * @throws UserError where the repository does not have one of them whole
 */
export async function closureChanges(repository: Repository, before: string, after: string): Promise<ClosureChanges> {
  const [old, now] = [await repository.list(before), await repository.list(after)];
  const [oldFiles, newFiles] = [byPath(old), byPath(now)];
  const [oldPackages, newPackages] = [await packages(repository, old), await packages(repository, now)];
  const names = [...new Set([...oldPackages.keys(), ...newPackages.keys()])].sort();
  return {
    packages: names
      .map((name) => ({ name, before: oldPackages.get(name) ?? null, after: newPackages.get(name) ?? null }))
      .filter((one) => one.before !== one.after),
    files: {
      added: [...newFiles.keys()].filter((path) => !oldFiles.has(path)),
      removed: [...oldFiles.keys()].filter((path) => !newFiles.has(path)),
      changed: [...newFiles].flatMap(([path, sha256]) =>
        oldFiles.has(path) && oldFiles.get(path) !== sha256 ? [path] : [],
      ),
    },
  };
}

function byPath(list: string): ReadonlyMap<string, string> {
  return new Map(listedFiles(list).map(({ path, sha256 }) => [path.toString(), sha256]));
}

/** Name → version: the list that a package object has of itself. */
async function packages(repository: Repository, closureList: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of referencesIn(closureList)) {
    const file = listedFiles(await repository.list(name)).find(({ path }) => path.toString() === "/packages.list");
    if (file === undefined) continue;
    const packed = await readFile(join(repository.folder, contentPath({ kind: "file", sha256: file.sha256 })));
    for (const line of (await promisify(zstdDecompress)(packed)).toString().split("\n")) {
      const [one, version] = line.split("\t");
      if (one && version) found.set(one, version);
    }
  }
  return found;
}
