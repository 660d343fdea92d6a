/** Package request → lock entry: which packages apt would install, at which versions, with which hashes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { type Apt, openApt } from "./apt.ts";
import { type Cache, unfinishedFolder } from "./cache.ts";
import { cachedPackages } from "./fetch.ts";
import type { LockEntry, LockedPackage, PackageRequest } from "./lock.ts";
import { writeRepository } from "./repository.ts";

/**
 * Asks the archive. Packages in `keep` stay at their versions where the archive or the cache still has those.
 * @param date of the entry, in seconds
 * @throws UserError when the archive cannot be reached, a package is unknown, or packages do not fit together
 */
export async function resolveRequest(
  request: PackageRequest,
  keep: readonly LockedPackage[],
  date: number,
  cache: Cache,
): Promise<LockEntry> {
  await using work = await unfinishedFolder(cache.folder);
  const apt = await openApt(request, work.path);
  if (keep.length > 0) {
    await writeRepository(join(work.path, "kept"), request.suite, await cachedPackages(cache, keep), cache);
    await apt.addRepository(join(work.path, "kept"));
    await writeFile(join(work.path, "apt/etc/apt/preferences.d/kept"), keep.map(pin).join("\n"));
  }
  const selected = await selectPackages(apt, request);
  const known = new Map(keep.map((one) => [`${one.name}=${one.version}`, one]));
  const described = parseDescriptions(await apt.cache(["show", ...selected]));
  const packages = selected.map((selection) => {
    const found = known.get(selection) ?? described.get(selection);
    if (found === undefined) throw new UserError(`the archive does not describe ${selection}`, ["run the build again"]);
    return found;
  });
  return { request, date, packages: packages.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** apt_preferences(5): above 1000, so that an older version wins as well. */
function pin({ name, version }: LockedPackage): string {
  return `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`;
}

/** Each `name=version` that a minimal system with the requested packages consists of. */
async function selectPackages(apt: Apt, request: PackageRequest): Promise<string[]> {
  const minimal = ["?or(?priority(required),?essential)", "apt"];
  try {
    const plan = await apt.get(["install", "--simulate", ...minimal, ...request.packages]);
    return [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)].map(([, name, version]) => `${name}=${version}`);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const unknown = error.detail.flatMap((line) => /Unable to locate package (\S+)/.exec(line)?.[1] ?? []);
    if (unknown.length > 0) {
      throw new UserError(`${request.suite} (${request.architecture}) has no package named ${unknown.join(", ")}`, [
        "check the spelling in environment.systemPackages, or add an archive that has it",
      ]);
    }
    throw new UserError(`the packages of ${request.suite} do not fit together`, error.detail);
  }
}

/** The stanzas of `apt-cache show`, by `name=version`. */
export function parseDescriptions(text: string): Map<string, LockedPackage> {
  const packages = text
    .split(/\n\n+/)
    .filter((stanza) => stanza.trim() !== "")
    .map((stanza) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
      return {
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        size: Number(field("Size")),
        sha256: field("SHA256"),
        path: field("Filename"),
      };
    });
  return new Map(packages.map((one) => [`${one.name}=${one.version}`, one]));
}
