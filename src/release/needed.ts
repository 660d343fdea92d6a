/** The closures that releases name: what `gc` leaves in a repository. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { release } from "../wire/release.ts";
import { TARGETS } from "./paths.ts";

/**
 * Names of store objects. A file counts whoever signed it: it keeps something from being deleted, and no more.
 * @throws UserError where one cannot be read: then nothing is to be deleted
 */
export async function closuresOfReleases(repository: string): Promise<ReadonlySet<string>> {
  const folder = join(repository, TARGETS);
  const names = new Set<string>();
  for (const name of await readdir(folder).catch(() => [])) {
    for (const path of await closuresIn(join(folder, name))) names.add(basename(path));
  }
  return names;
}

async function closuresIn(file: string): Promise<readonly string[]> {
  try {
    return Object.values(release.parse(JSON.parse(await readFile(file, "utf8"))).hosts);
  } catch {
    throw new UserError(`${file} is no release`, [
      "copy it from a mirror, or remove it and run: nixfleet release refresh",
    ]);
  }
}
