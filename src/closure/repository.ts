/** A flat apt repository of locked packages, from which mmdebstrap assembles a tree without any other archive. */
import { link, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../machine/process.ts";
import { type Cache, debFile } from "./cache.ts";
import type { LockedPackage } from "./lock.ts";

/**
 * Makes the folder: a link to each cached package, `Packages` and `Release`. The latter names the suite, because
 * mmdebstrap selects the essential packages by it.
 */
export async function writeRepository(
  folder: string,
  suite: string,
  packages: readonly LockedPackage[],
  cache: Cache,
): Promise<void> {
  await mkdir(folder);
  const stanzas: string[] = [];
  for (const batch of batches(packages, 8)) {
    stanzas.push(...(await Promise.all(batch.map((one) => addPackage(folder, one, cache)))));
  }
  await writeFile(join(folder, "Packages"), stanzas.join("\n"));
  await writeFile(join(folder, "Release"), `Suite: ${suite}\nCodename: ${suite}\n`);
}

/** Its line of sources.list(5): trusted, because each package in it was checked against the lock. */
export function repositoryLine(folder: string): string {
  const url = folder.split("/").map(encodeURIComponent).join("/");
  return `deb [trusted=yes] copy:${url} ./`;
}

async function addPackage(folder: string, { sha256, size }: LockedPackage, cache: Cache): Promise<string> {
  await link(debFile(cache, sha256), join(folder, `${sha256}.deb`));
  const control = await run("dpkg-deb", ["--field", debFile(cache, sha256)]);
  return `${control.trimEnd()}\nFilename: ./${sha256}.deb\nSize: ${size}\nSHA256: ${sha256}\n`;
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
