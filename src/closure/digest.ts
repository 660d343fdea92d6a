/** The name of a store object: a digest of everything in it that a host could tell apart. */
import { createHash, type Hash, hash } from "node:crypto";
import { lstatSync, lutimesSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join, relative } from "node:path";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";

/**
 * Digests a tree: for each entry, in the byte order of paths, its path, type, mode, owner, group, modification time in
 * seconds, file capabilities, and content or link target. What depends on how it is stored is left out: inode numbers,
 * hard links, sizes of folders, access and change times.
 * @returns 32 characters of Nix's base 32, 160 bits of a SHA-256
 * @throws UserError on a socket, pipe or device: a store object holds none
 */
export async function treeDigest(folder: string): Promise<string> {
  const capabilities = await fileCapabilities(folder);
  const digest = createHash("sha256");
  digestEntry(folder, "", digest, capabilities);
  return base32(digest.digest().subarray(0, 20));
}

/** Sets each time in a tree that is newer than `date`, or than the start of the build (both in seconds), to `date`. */
export function clampTimes(folder: string, date: number, start: number): void {
  const newest = Math.min(date, start);
  for (const { path, stats } of entries(folder)) {
    if (stats.mtimeMs > newest * 1000) lutimesSync(path, date, date);
  }
}

function digestEntry(root: string, path: string, digest: Hash, capabilities: ReadonlyMap<string, string>): void {
  const full = join(root, path);
  const stats = lstatSync(full);
  const common = [
    path,
    (stats.mode & 0o7777).toString(8),
    stats.uid,
    stats.gid,
    Math.floor(stats.mtimeMs / 1000),
    capabilities.get(path) ?? "",
  ];
  const record = (type: string, content: string): void => {
    digest.update(`${JSON.stringify([type, ...common, content])}\n`);
  };
  if (stats.isDirectory()) {
    record("folder", "");
    for (const name of sortedNames(full)) digestEntry(root, join(path, name), digest, capabilities);
  } else if (stats.isSymbolicLink()) record("link", readlinkSync(full));
  else if (stats.isFile()) record("file", hash("sha256", readFileSync(full)));
  else throw new UserError(`${full} is a device, pipe or socket`, ["a closure holds files, folders and links only"]);
}

function* entries(path: string): Generator<{ readonly path: string; readonly stats: Stats }> {
  const stats = lstatSync(path);
  if (stats.isDirectory()) for (const name of sortedNames(path)) yield* entries(join(path, name));
  yield { path, stats };
}

/** By bytes, which does not depend on the locale as `localeCompare` does. */
function sortedNames(folder: string): string[] {
  return readdirSync(folder).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** By path in the tree, from `getcap -r`: `usr/bin/ping cap_net_raw=ep`. */
async function fileCapabilities(folder: string): Promise<Map<string, string>> {
  const lines = (await run("getcap", ["-r", folder])).split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const cut = line.lastIndexOf(" ");
      return [relative(folder, line.slice(0, cut)), line.slice(cut + 1)];
    }),
  );
}

/** Nix's alphabet: no vowels but `a` and `i`, so that no digest spells a word that offends. */
const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

/** 5 bits a character, the most significant first. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(buffer >> bits) & 31];
    }
    buffer &= (1 << bits) - 1;
  }
  if (bits > 0) text += ALPHABET[(buffer << (5 - bits)) & 31];
  return text;
}
