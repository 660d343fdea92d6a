/** A content repository: a folder of plain files that any web server can serve; paths.ts says what is where in it. */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { removeTree, syncFilesystem } from "../closure/store/cache.ts";
import { UserError } from "../errors.ts";
import { syncFolder } from "../local/durable-file.ts";
import { fileLock } from "../local/file-lock.ts";
import { listDigest } from "./object-content.ts";
import { contentPath } from "./paths.ts";

/** Says that a folder is one, so that nothing is ever written to, or deleted from, another. */
const MARK = "content-repository";

export interface Repository extends AsyncDisposable {
  readonly folder: string;
  has(path: string): boolean;
  /** Puts files in their places once all of them are on the disk: a reader never sees a part of one. */
  add(files: AsyncIterable<readonly [path: string, content: Uint8Array]>): Promise<void>;
  /** Takes a file or folder away. */
  remove(path: string): Promise<void>;
  /** The closures of each host, by name, the newest last. */
  published(): Promise<ReadonlyMap<string, readonly string[]>>;
  record(hostName: string, closures: readonly string[]): Promise<void>;
  /** The text of an object's contents.list. @throws UserError where it is not what the object's name says */
  list(name: string): Promise<string>;
}

/**
 * Opens a repository for this process alone, until the end of the scope.
 * @param create makes one in a folder that is not there, or is empty
 * @throws UserError where the folder is something else
 */
export async function openRepository(
  path: string,
  { create, onWait }: { readonly create: boolean; readonly onWait: (holder: string) => void },
): Promise<Repository> {
  const folder = resolve(path);
  await refuseOther(folder, create);
  const lock = await fileLock(join(folder, ".locks", "repository"), onWait);
  const unfinished = join(folder, ".new");
  try {
    await removeTree(unfinished); // of a process that was killed
    await mkdir(unfinished, { mode: 0o700 });
    await place(join(folder, MARK), "1\n");
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }

  async function place(target: string, content: Uint8Array | string): Promise<void> {
    const made = join(unfinished, "one");
    await writeFile(made, content, { flush: true });
    await chmod(made, 0o644); // for a web server
    await shownFolder(dirname(target));
    await rename(made, target);
    await syncFolder(dirname(target));
  }

  return {
    folder,
    has: (file) => existsSync(join(folder, file)),
    async add(files) {
      const paths: string[] = [];
      for await (const [file, content] of files) {
        const made = join(unfinished, `${paths.length}`);
        await writeFile(made, content);
        await chmod(made, 0o644);
        paths.push(file);
      }
      if (paths.length > 0) await syncFilesystem(unfinished);
      for (const [index, file] of paths.entries()) {
        await shownFolder(dirname(join(folder, file)));
        await rename(join(unfinished, `${index}`), join(folder, file));
      }
    },
    async remove(file) {
      const gone = join(unfinished, "gone");
      await rename(join(folder, file), gone);
      await removeTree(gone);
    },
    async published() {
      const names = await readdir(join(folder, "hosts")).catch(() => []);
      const read = async (name: string) => (await readFile(join(folder, "hosts", name), "utf8")).split("\n");
      return new Map(
        await Promise.all(
          names.sort().map(async (name) => [name, (await read(name)).filter((line) => line !== "")] as const),
        ),
      );
    },
    record: (hostName, closures) =>
      place(join(folder, "hosts", hostName), closures.map((closure) => `${closure}\n`).join("")),
    async list(name) {
      const file = join(folder, contentPath({ kind: "list", name, from: null }));
      const text = await unpacked(file);
      if (text !== null && listDigest(text) === name.slice(0, 32)) return text;
      throw new UserError(`${file} is not the list of what ${name} holds`, ["publish that closure again"]);
    },
    async [Symbol.asyncDispose]() {
      await removeTree(unfinished);
      await lock[Symbol.asyncDispose]();
    },
  };
}

async function unpacked(file: string): Promise<string | null> {
  try {
    return zstdDecompressSync(await readFile(file)).toString("latin1");
  } catch {
    return null;
  }
}

async function refuseOther(folder: string, create: boolean): Promise<void> {
  if (existsSync(join(folder, MARK))) return;
  const names = await readdir(folder).catch(() => null);
  // The lock comes before the mark.
  if (create && (names ?? []).every((name) => name === ".locks" || name === ".new")) return shownFolder(folder);
  throw new UserError(`${folder} is no content repository`, [
    create ? "it holds something else: name an empty folder" : "nixfleet publish HOST --to DIR makes one",
  ]);
}

/** Whatever the umask: a web server is to read it. */
async function shownFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  for (let made = folder; first !== undefined && made.length >= first.length; made = dirname(made)) {
    await chmod(made, 0o755);
  }
}
