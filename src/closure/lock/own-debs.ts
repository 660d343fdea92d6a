/** Package files of the fleet's own: they enter the cache like those of an archive. */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { CommandError, run } from "../../local/process.ts";
import type { OwnDeb } from "../../plan/packages.ts";
import { type Cache, debFile } from "../store/cache.ts";
import type { LockedPackage, PackageRequest } from "./lock.ts";

/** @throws UserError for a file that is no package, or one for another architecture */
export async function adoptDebs(
  { debs = [], architecture }: PackageRequest,
  fleetFolder: string,
  cache: Cache,
): Promise<readonly LockedPackage[]> {
  const adopted = await Promise.all(debs.map((deb) => adopt(deb, fleetFolder, cache)));
  for (const [index, { name, path, architecture: its }] of adopted.entries()) {
    if (its !== architecture && its !== "all") {
      throw new UserError(`${path} is for ${its}, and the host is ${architecture}`, [
        "name the package file of that architecture in nixfleet.debian.debs",
      ]);
    }
    const other = adopted.slice(0, index).find((one) => one.name === name);
    if (other !== undefined) throw new UserError(`${other.path} and ${path} are both the package ${name}`);
  }
  return adopted;
}

async function adopt({ file, sha256 }: OwnDeb, fleetFolder: string, cache: Cache): Promise<LockedPackage> {
  const bytes = await readFile(join(fleetFolder, file));
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new UserError(`${file} was changed while the host was built`, ["run the command again"]);
  }
  const place = debFile(cache, sha256);
  const partial = `${place}.${process.pid}.new`;
  await writeFile(partial, bytes, { flush: true });
  await rename(partial, place);
  const [name = "", version = "", architecture = ""] = (await fieldsOf(place, file)).split("\n");
  return { name, version, architecture, size: bytes.length, sha256, path: file };
}

async function fieldsOf(place: string, file: string): Promise<string> {
  try {
    return await run("dpkg-deb", ["--show", "--showformat", FORMAT, place]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(`${file} is no Debian package`, error.detail.slice(1));
  }
}

const FORMAT = ["Package", "Version", "Architecture"].map((field) => `\${${field}}\n`).join("");
