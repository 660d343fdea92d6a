/** Closures → a content repository. */
import { basename, dirname } from "node:path";
import { type Closure, objectsOf } from "../closure/closure.ts";
import { UserError } from "../errors.ts";
import { objectContent } from "./object-content.ts";
import { type ContentPath, contentPath } from "./paths.ts";
import type { Repository } from "./repository.ts";

export interface Published {
  readonly closure: string;
  /** What came to the repository, compressed, in bytes. */
  readonly bytes: number;
  readonly files: number;
}

/** What takes no time to compress is compressed well: it is done once, and fetched often. */
const LEVEL = 15;

/** Files that are compressed side by side. */
const AT_ONCE = 16;

/**
 * Puts a host's closure, and its packages, into the repository, with patches for hosts that have the one before it. What is
 * there already is not written again, but for a list that is damaged; and the record of the host comes last: killed at any
 * moment, what it names is whole.
 * @throws UserError where the cache has something else than what was built
 */
export async function publish(
  hostName: string,
  closure: Pick<Closure, "storePath" | "folder" | "packages" | "runtime">,
  repository: Repository,
  onProgress: (step: string) => void,
): Promise<Published> {
  const name = basename(closure.storePath);
  const before = (await repository.published()).get(hostName) ?? [];
  const former = before.filter((one) => one !== name).at(-1);
  const formerList = former === undefined ? null : await readList(former, repository, onProgress);
  const formers = former === undefined || formerList === null ? [] : [...referencesIn(formerList), former];
  const objects = objectsOf(closure);
  const damaged = new Set<string>();
  for (const path of objects.map(({ storePath }) => listOf(basename(storePath)))) {
    const place = contentPath(path);
    if (repository.has(place) && (await readList(path.name, repository, onProgress)) === null) damaged.add(place);
  }
  const content = await objectContent(objects, dirname(closure.folder), LEVEL);
  const count = { files: 0, bytes: 0 };

  async function* missing(paths: readonly ContentPath[]): AsyncGenerator<readonly [string, Uint8Array]> {
    const lacking = paths.filter((path) => !repository.has(contentPath(path)) || damaged.has(contentPath(path)));
    for (let from = 0; from < lacking.length; from += AT_ONCE) {
      const some = lacking.slice(from, from + AT_ONCE);
      const made = await Promise.all(some.map(async (path) => [contentPath(path), await content.at(path)] as const));
      for (const [place, bytes] of made) {
        if (bytes === null) continue;
        count.files += 1;
        count.bytes += bytes.byteLength;
        yield [place, bytes];
      }
    }
  }

  onProgress(`compressing what ${repository.folder} lacks of ${name}`);
  await repository.add(missing(content.sha256s.map((sha256) => ({ kind: "file", sha256 }))));
  for (const { storePath } of objects) {
    const object = basename(storePath);
    await repository.add(
      missing(
        listPaths(
          object,
          formers.find((one) => one.slice(32) === object.slice(32)),
        ),
      ),
    );
  }
  if (before.at(-1) !== name) await repository.record(hostName, [...before.filter((one) => one !== name), name]);
  return { closure: closure.storePath, ...count };
}

/** The list of an object; `null` where it is damaged, which is said. */
async function readList(
  name: string,
  repository: Repository,
  onProgress: (step: string) => void,
): Promise<string | null> {
  try {
    return await repository.list(name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onProgress(error.message);
    return null;
  }
}

function listOf(name: string) {
  return { kind: "list", name, from: null } as const;
}

/** The list comes last: what has one is there whole. */
function listPaths(name: string, from: string | undefined): readonly ContentPath[] {
  if (from === undefined || from === name) return [listOf(name)];
  return [{ kind: "changes", name, from }, { kind: "list", name, from }, listOf(name)];
}

/** The names of the objects that a closure refers to, its packages and its runtime, by the list of what it holds. */
export function referencesIn(list: string): readonly string[] {
  return [...list.matchAll(/^l (?:\S+ ){5}\.\.\/([^/ ]+)(?:\/usr)? \.\/(?:usr|runtime)$/gm)].map(
    ([, name = ""]) => name,
  );
}
