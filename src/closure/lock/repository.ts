/** A flat apt repository of locked packages, from which mmdebstrap assembles a tree without any other archive. */
import { link, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { run } from "../../local/process.ts";
import { type Cache, debFile } from "../store/cache.ts";
import { LOCK_FILE, LOCK_FIX, type LockedPackage } from "./lock.ts";

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

async function addPackage(folder: string, locked: LockedPackage, cache: Cache): Promise<string> {
  const { sha256, size } = locked;
  await link(debFile(cache, sha256), join(folder, `${sha256}.deb`));
  const control = await run("dpkg-deb", ["--field", debFile(cache, sha256)]);
  refuseOther(locked, control);
  return `${control.trimEnd()}\nFilename: ./${sha256}.deb\nSize: ${size}\nSHA256: ${sha256}\n`;
}

/** What the lock says of a package is what people read, and what updates are compared by. */
function refuseOther({ name, version, architecture, sha256 }: LockedPackage, control: string): void {
  const field = (wanted: string): string => new RegExp(`^${wanted}: (.*)$`, "m").exec(control)?.[1] ?? "none";
  const [said, is] = [
    `${name} ${version} ${architecture}`,
    ["Package", "Version", "Architecture"].map(field).join(" "),
  ];
  if (said === is) return;
  throw new UserError(`${LOCK_FILE} says ${said}, but the package with its hash is ${is}`, [
    `sha256 ${sha256}: the lock was edited by hand or merged incorrectly`,
    LOCK_FIX,
  ]);
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
