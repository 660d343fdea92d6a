/**
 * What the installation scripts of packages make for one machine: keys, ids, certificates. A closure is public, and the
 * same for every host and every build, so it has none of that; each host makes its own (src/payload/host/host-secrets.sh).
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join, posix } from "node:path";

export interface HostMade {
  /** On the host. */
  readonly path: string;
  readonly what: string;
  /** The packages that have its folder. */
  readonly packages: readonly string[];
}

/**
 * Removes it from a tree in which packages were just installed.
 * @returns what it was, without what belonged to it: a link to a certificate is called by a hash of the builder's name
 */
export function removeHostMade(tree: string): readonly HostMade[] {
  const listed = listedPaths(tree);
  const unlisted = [...entries(tree, "/")].filter(({ path }) => !listed.has(path));
  const found = unlisted.flatMap(({ path, stats }) => {
    const what =
      stats.isFile() && stats.size <= LARGEST ? whatIsMade(path, stats, readFileSync(join(tree, path))) : null;
    return what === null ? [] : [{ path, what }];
  });
  const gone = new Set(found.map(({ path }) => path));
  // What belongs to it: the public half of a key, links to it.
  const belonging = unlisted.filter(({ path, stats }) => {
    const target = stats.isSymbolicLink() ? posix.resolve(dirname(path), readlinkSync(join(tree, path))) : "";
    return gone.has(target) || (path.endsWith(".pub") && gone.has(path.slice(0, -".pub".length)));
  });
  for (const { path } of [...found, ...belonging]) rmSync(join(tree, path));
  return found
    .map(({ path, what }) => ({ path, what, packages: listed.get(dirname(path)) ?? [] }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** In bytes; keys and ids are small. */
const LARGEST = 64 * 1024;

/** Closed to others, and written by every installation from what the packages say. */
const ACCOUNTS = new Set(["/etc/shadow", "/etc/gshadow"]);

/** What a file that is in no package holds for one machine; `null`: nothing. */
export function whatIsMade(path: string, { mode }: Pick<Stats, "mode">, bytes: Buffer): string | null {
  const text = bytes.toString("latin1");
  if (PRIVATE_KEY.test(text)) return "a private key";
  if ((mode & 0o004) === 0 && !ACCOUNTS.has(path) && isRandom(text)) return "a secret";
  if (ID.test(text)) return "the id of one machine";
  // Authorities come in packages, or many in a file.
  return text.split("-----BEGIN CERTIFICATE-----").length === 2 ? "a certificate" : null;
}

const PRIVATE_KEY = /^-----BEGIN ([A-Z0-9 ]+ )?PRIVATE KEY( BLOCK)?-----|^AGE-SECRET-KEY-1|^PuTTY-User-Key-File-/m;

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/** The whole of a file: a machine-id, a UUID, or a name with one, as nvme's `nqn.2014-08.org.nvmexpress:uuid:…`. */
const ID = new RegExp(`^([0-9a-f]{32}|([a-z0-9.:-]*:)?${UUID})\\s*$`, "i");

/** Bytes that are no text, or a word of 20 characters and more with letters and digits, as Base 64 and hexadecimal have. */
function isRandom(latin1: string): boolean {
  if (latin1.length >= 16 && /[^\t\n\r -~]/.test(latin1)) return true;
  const words = latin1.match(/[A-Za-z0-9+/]{20,}/g) ?? [];
  return words.some((word) => /[0-9]/.test(word) && /[A-Za-z]/.test(word) && new Set(word).size >= 8);
}

/** The packages that have each path, by dpkg's lists. */
export function listedPaths(tree: string): Map<string, string[]> {
  const folder = join(tree, "var/lib/dpkg/info");
  const paths = new Map<string, string[]>();
  const add = (path: string, name: string) => {
    const merged = path.replace(/^\/(bin|sbin|lib\w*)(?=\/|$)/, "/usr/$1");
    paths.set(merged, [...(paths.get(merged) ?? []), name]);
  };
  for (const list of readdirSync(folder).filter((name) => name.endsWith(".list"))) {
    const name = basename(list, ".list").replace(/:.*$/, "");
    for (const path of readFileSync(join(folder, list), "utf8").split("\n")) if (path !== "") add(path, name);
  }
  // Three lines each: from, to, package.
  const diverted = readFileSync(join(tree, "var/lib/dpkg/diversions"), "utf8").split("\n");
  for (const [index, path] of diverted.entries()) if (index % 3 === 1) add(path, diverted[index + 1] ?? "");
  return paths;
}

function* entries(tree: string, folder: string): Generator<{ readonly path: string; readonly stats: Stats }> {
  for (const name of readdirSync(join(tree, folder))) {
    const path = join(folder, name);
    const stats = lstatSync(join(tree, path));
    if (stats.isDirectory()) yield* entries(tree, path);
    else yield { path, stats };
  }
}
