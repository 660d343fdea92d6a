/** Package request → lock entry: which packages apt would install, at which versions, with which hashes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ProblemsError, UserError } from "../../errors.ts";
import { CommandError } from "../../local/process.ts";
import type { ValuePath } from "../../modules/defined-at.ts";
import { nearestName } from "../../modules/errors.ts";
import type { PlanProblem } from "../../plan/problem.ts";
import { type Cache, unfinishedFolder } from "../store/cache.ts";
import { type Apt, openApt } from "./apt.ts";
import { cachedPackages } from "./fetch.ts";
import type { LockEntry, LockedPackage, PackageRequest } from "./lock.ts";
import { writeRepository } from "./repository.ts";

/**
 * Asks the archive. Packages in `keep` stay at their versions where the archive or the cache still has those.
 * @param date of the entry, in seconds
 * @param own packages of the request's own files, which the cache has
 * @throws UserError when the archive cannot be reached, a package is unknown, or packages do not fit together
 */
export async function resolveRequest(
  request: PackageRequest,
  keep: readonly LockedPackage[],
  date: number,
  cache: Cache,
  own: readonly LockedPackage[] = [],
): Promise<LockEntry> {
  await using work = await unfinishedFolder(cache.folder);
  const apt = await openApt(request, work.path);
  const kept = keep.filter(({ name }) => !own.some((one) => one.name === name));
  const local = [...own, ...kept];
  if (local.length > 0) {
    const folder = (name: string) => join(work.path, name);
    await writeRepository(folder("own"), request.suite, own, cache);
    await writeRepository(folder("kept"), request.suite, await cachedPackages(cache, kept), cache);
    await apt.addRepositories([folder("own"), folder("kept")]);
    await writeFile(join(work.path, "apt/etc/apt/preferences.d/local"), local.map(pin).join("\n"));
  }
  const selected = await selectPackages(
    apt,
    request,
    own.map(({ name }) => name),
  );
  const known = new Map(local.map((one) => [`${one.name}=${one.version}`, one]));
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
async function selectPackages(apt: Apt, request: PackageRequest, own: readonly string[]): Promise<string[]> {
  const minimal = ["?or(?priority(required),?essential)", "apt"];
  try {
    // Any quieter, it keeps to itself which packages conflict.
    const plan = await apt.get(["install", "--simulate", "-o", "quiet=1", ...minimal, ...request.packages, ...own]);
    return [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)].map(([, name, version]) => `${name}=${version}`);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const unknown = error.detail.flatMap((line) => /Unable to locate package (\S+)/.exec(line)?.[1] ?? []);
    if (unknown.length > 0) {
      const known = (await apt.cache(["pkgnames"])).split("\n");
      throw new ProblemsError(unknown.map((name) => unknownPackage(name, request, known)));
    }
    throw new ProblemsError([conflict(error, request)]);
  }
}

function unknownPackage(name: string, { suite, architecture }: PackageRequest, known: readonly string[]): PlanProblem {
  const nearest = nearestName(name, known);
  return {
    what: `${suite} (${architecture}) has no package named ${name}`,
    at: [],
    fix: `${nearest === undefined ? "check the spelling, or " : `did you mean ${nearest}? Otherwise `}add an archive that has it to nixfleet.debian.archive`,
    option: optionOf(name),
  };
}

/** Whichever of the packages that apt speaks of is declared, is named with its place. */
function conflict({ stdout, detail }: CommandError, { suite, packages }: PackageRequest): PlanProblem {
  const reasons = stdout.split("\n").flatMap((line) => {
    const isReason = /(^| )(Pre-Depends|Depends|Conflicts|Breaks): /.test(line);
    return isReason ? [line.trim()] : [];
  });
  const what = `cannot install the packages of ${suite} together`;
  if (reasons.length === 0) return { what, at: [], fix: detail.join("; ") };
  const named = new Set(reasons.flatMap((line) => line.split(/[\s:]+/)));
  const declared = packages.find((name) => named.has(name));
  return {
    what: `${what}: ${reasons.join("; ")}`,
    at: [],
    fix: "remove one of them from environment.systemPackages, or disable what brings it",
    ...(declared === undefined ? {} : { option: optionOf(declared) }),
  };
}

function optionOf(name: string): ValuePath {
  return ["environment", "systemPackages", { element: name }];
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
