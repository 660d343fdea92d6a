/** What a content repository has of store objects, made from the objects themselves. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import type { StoreObject } from "../closure/closure.ts";
import { base32, CONTENTS_LIST } from "../closure/store/digest.ts";
import { UserError } from "../errors.ts";
import { run } from "../local/process.ts";
import { temporaryFolder } from "../local/resources.ts";
import { type Changes, changes, type ListedFile, listedFiles } from "./changes.ts";
import { type ContentPath, isObjectName } from "./paths.ts";

export interface ObjectContent {
  /** Each content once. */
  readonly sha256s: readonly string[];
  /** What is at a path; `null` where there is nothing. */
  readonly at: (path: ContentPath) => Promise<Uint8Array | null>;
}

/**
 * What an object holds is compared with its list: what is damaged here is an error, not something for hosts to find out.
 * @param store a folder of store objects, to make patches against
 * @param level of zstd: 3 is quick, 19 is small
 * @throws UserError where an object is not what its list says, now or when that is asked for
 */
export async function objectContent(
  objects: readonly StoreObject[],
  store: string,
  level: number,
): Promise<ObjectContent> {
  const folders = new Map<string, string>(objects.map(({ storePath, folder }) => [basename(storePath), folder]));
  const listOf = (folder: string) => readFile(join(folder, CONTENTS_LIST), "latin1");
  const files = new Map<string, Buffer>();
  for (const [name, folder] of folders) {
    const list = await listOf(folder);
    if (listDigest(list) !== name.slice(0, 32)) throw damaged(join(folder, CONTENTS_LIST));
    for (const file of listedFiles(list)) files.set(file.sha256, fileIn(folder, file));
  }
  const otherList = (name: string) => (isObjectName(name) ? listOf(join(store, name)).catch(() => null) : null);

  return {
    sha256s: [...files.keys()],
    at: async (path) => {
      if (path.kind === "file") {
        const file = files.get(path.sha256);
        if (file === undefined) return null;
        const read = await readFile(file);
        if (createHash("sha256").update(read).digest("hex") !== path.sha256) throw damaged(file.toString());
        return compressed(read, level);
      }
      const folder = folders.get(path.name);
      if (folder === undefined) return null;
      const own = await listOf(folder);
      if (path.from === null) return compressed(Buffer.from(own, "latin1"), level);
      const other = await otherList(path.from);
      if (other === null) return null;
      const from = join(store, path.from);
      if (path.kind === "list") return patch([join(from, CONTENTS_LIST)], [join(folder, CONTENTS_LIST)], level);
      const { from: old, to }: Changes = changes(listedFiles(other), listedFiles(own));
      const within = (parent: string) => (file: ListedFile) => fileIn(parent, file);
      return to.length === 0 ? null : patch(old.map(within(from)), to.map(within(folder)), level);
    },
  };
}

function damaged(file: string): UserError {
  return new UserError(`${file} in the cache is damaged`, [
    "no host would take it; to have the next build make it again: nixfleet verify",
  ]);
}

/** What the name of an object with this list begins with. */
export function listDigest(list: string): string {
  return base32(createHash("sha256").update(list, "latin1").digest().subarray(0, 20));
}

function fileIn(folder: string, { path }: ListedFile): Buffer {
  return Buffer.concat([Buffer.from(folder), path]);
}

/** One frame of zstd. */
async function compressed(content: Uint8Array, level: number): Promise<Uint8Array> {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  // Without its size zstd makes ready for a large one, which takes twenty times as long as most files do.
  return promisify(zstdCompress)(content, { params, pledgedSrcSize: content.byteLength });
}

type Path = string | Buffer;

/** The files of `to`, one after the other, with what those of `from` have in common with them left out. */
async function patch(from: readonly Path[], to: readonly Path[], level: number): Promise<Uint8Array> {
  await using scratch = await temporaryFolder();
  const at = (name: string) => join(scratch.path, name);
  await concatenate(from, at("from"));
  await concatenate(to, at("to"));
  const base = from.length === 0 ? [] : [`--patch-from=${at("from")}`];
  await run("zstd", ["-q", `-${level}`, ...base, "-o", at("patch"), "--", at("to")]);
  return await readFile(at("patch")); // the folder goes when this returns
}

async function concatenate(paths: readonly Path[], target: string): Promise<void> {
  async function* contents() {
    for (const path of paths) yield* createReadStream(path);
  }
  await pipeline(contents, createWriteStream(target, { mode: 0o600 }));
}
