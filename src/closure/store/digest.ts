/** The name of a store object: a digest of everything in it that a host could tell apart, as contents.pl lists it. */
import { createHash } from "node:crypto";
import { chmodSync, lutimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { CommandError, run } from "../../local/process.ts";

/** The program that lists, digests and verifies objects, here and on hosts. */
export const CONTENTS_PROGRAM: string = join(import.meta.dirname, "contents.pl");

/** What an object holds, in itself: see contents.pl. */
export const CONTENTS_LIST = "contents.list";

/**
 * Makes a tree a store object: gives it the list of what it holds. Times that are newer than `date`, or than the start
 * of the build (both in seconds), become `date`.
 * @returns its digest: 32 characters of Nix's base 32, 160 bits of a SHA-256
 * @throws UserError on a socket, pipe or device: a store object holds none
 */
export async function sealObject(folder: string, date: number, start: number): Promise<string> {
  const file = join(folder, CONTENTS_LIST);
  writeFileSync(file, "", { flag: "wx" });
  chmodSync(file, 0o644);
  const touch = ["touch", "--no-dereference", `--date=@${date}`, "--", "{}", "+"];
  await run("find", [folder, "-newermt", `@${Math.min(date, start)}`, "-exec", ...touch]);
  const list = await run("perl", [CONTENTS_PROGRAM, "list", folder]);
  const other = /^\? .* (\S+)$/m.exec(list)?.[1];
  if (other !== undefined) {
    throw new UserError(`${other} in ${folder} is a device, pipe or socket`, [
      "a closure holds files, folders and links only",
    ]);
  }
  writeFileSync(file, list); // in place, so that the folder keeps its time
  lutimesSync(file, date, date);
  return base32(createHash("sha256").update(list).digest().subarray(0, 20));
}

export async function treeDigest(folder: string): Promise<string> {
  return (await run("perl", [CONTENTS_PROGRAM, "digest", folder])).trim();
}

/** In what an object differs from the digest that its name begins with, a line each. None: it is whole. */
export async function objectDifferences(folder: string, name: string): Promise<readonly string[]> {
  try {
    await run("perl", [CONTENTS_PROGRAM, "verify", folder, name.slice(0, 32)]);
    return [];
  } catch (error) {
    if (!(error instanceof CommandError) || error.stdout === "") throw error;
    return error.stdout.trimEnd().split("\n");
  }
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
