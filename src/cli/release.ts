/** `nixfleet release`: makes, signs and shows releases. */
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { loadFleet } from "../deploy/load-fleet.ts";
import { UserError } from "../errors.ts";
import { selectHosts } from "../fleet/select-hosts.ts";
import { closureChanges } from "../release/closure-changes.ts";
import { fleetCommit } from "../release/commit.ts";
import { type Created, createRelease } from "../release/create.ts";
import { listReleases, readRelease } from "../release/read.ts";
import { refresh } from "../release/rotate.ts";
import type { Release } from "../wire/release.ts";
import { print, printJson, table } from "./output.ts";
import { publishAll } from "./publish.ts";
import { initKeys, type KeyOptions, releaseKeys } from "./release-keys.ts";
import { opened, type Signing, type SigningOptions, signed, signing, warnOfExpiry } from "./signing.ts";

interface Options extends SigningOptions, KeyOptions {
  readonly of?: string;
  readonly json?: boolean;
}

export async function releaseCommand(
  file: string,
  action: string,
  values: readonly string[],
  options: Options,
): Promise<void> {
  const folder = dirname(resolve(file));
  switch (action) {
    case "init":
      return await initKeys(folder, options);
    case "create": {
      const made = await create(file, values, options);
      if (options.json) return printJson(made);
      const { release, fresh } = made;
      return print(`${release.id}\n${described(release)}${fresh ? "" : ": nothing has changed since"}`);
    }
    case "refresh": {
      const by = await signing(folder, options);
      await using repository = await opened(by.repository, true);
      const written = await refresh(repository, by);
      warnOfExpiry(written, by.now);
      return options.json ? printJson(written.expires) : print(`signed until ${written.expires.timestamp}`);
    }
    case "list":
      return await list(folder, options);
    case "show": {
      const release = await named(folder, values[0], options);
      if (options.json) return printJson(release);
      return print(
        `${release.id}\n${described(release)}\n${table(["host", "closure"], Object.entries(release.hosts).sort())}`,
      );
    }
    case "diff":
      return await diff(folder, values, options);
    case "verify":
      return await verify(folder, options);
    case "keys":
      return await releaseKeys(folder, values, options);
    default:
      throw new UserError(`release cannot ${action}`, [
        "wanted init, create, list, show, diff, verify, refresh or keys",
      ]);
  }
}

/** Builds, publishes and signs. Hosts that are not named stay as they were in the release before. */
export async function create(file: string, patterns: readonly string[], options: Options): Promise<Created> {
  const { fleet, folder } = await loadFleet(file);
  const by = await signing(folder, options);
  const hosts = options.of === undefined ? await published(by) : (await named(folder, options.of, options)).hosts;
  await using repository = await opened(by.repository, true);
  const made = await createRelease(
    repository,
    { ...by, now: Date.now() },
    {
      hosts,
      others: options.of === undefined ? [...fleet.hosts.keys()] : [],
      commit: await fleetCommit(folder),
      note: options.note ?? (options.of === undefined ? "" : `as ${options.of}`),
    },
  );
  warnOfExpiry(made, by.now);
  return made;

  async function published({ repository: to }: Signing): Promise<Release["hosts"]> {
    const { hosts: chosen } = selectHosts(fleet, patterns, patterns.length === 0);
    const closures = await publishAll(chosen, folder, to);
    return Object.fromEntries(closures.map(({ host, closure }) => [host, closure]));
  }
}

function described({ sequence, created, commit, note, hosts }: Release): string {
  const from = commit === null ? "" : `, commit ${commit.slice(0, 12)}${commit.endsWith("-dirty") ? " and more" : ""}`;
  return `release ${sequence} of ${created}${from}, ${Object.keys(hosts).length} hosts${note === "" ? "" : `: ${note}`}`;
}

const listed = z.object({
  id: z.string(),
  commit: z.string().nullable(),
  created: z.string(),
  note: z.string(),
  hosts: z.number(),
});

/** As a host would see them: whatever is not rightly signed is an error. */
async function where(folder: string, options: Options) {
  const { keyFolder, repository } = await signed(folder, options);
  return { state: keyFolder.trust, mirrors: [pathToFileURL(resolve(repository)).href] };
}

async function list(folder: string, options: Options): Promise<void> {
  const targets = await listReleases(await where(folder, options));
  const releases = targets.map(({ path, custom }) => ({
    sequence: Number.parseInt(path, 10),
    ...listed.parse(custom),
  }));
  if (options.json) return printJson(releases);
  const rows = releases.map(({ sequence, id, created, commit, hosts, note }) => [
    `${sequence}`,
    id.slice(0, 12),
    created,
    commit?.slice(0, 12) ?? "",
    `${hosts}`,
    note,
  ]);
  print(table(["number", "release", "made", "commit", "hosts", "note"], rows));
}

/** By its number, its id, or the beginning of that; `newest`. */
async function named(folder: string, word: string | undefined, options: Options): Promise<Release> {
  if (word === undefined) throw new UserError("which release?", ["a number, the beginning of its id, or `newest`"]);
  const from = await where(folder, options);
  const targets = await listReleases(from);
  const fits = targets.filter(({ path, custom }, index) =>
    word === "newest"
      ? index === 0
      : path === `${word}.json` || (/^[0-9a-f]{4,}$/.test(word) && String(custom.id).startsWith(word)),
  );
  // A number may be the beginning of an id as well.
  const [found, other] = fits.toSorted((one) => (one.path === `${word}.json` ? -1 : 0));
  if (found === undefined || (other !== undefined && found.path !== `${word}.json`)) {
    throw new UserError(`${found === undefined ? "no release is" : "several releases are"} called ${word}`, [
      "nixfleet release list shows them",
    ]);
  }
  return await readRelease({ ...from, release: String(found.custom.id) });
}

async function diff(folder: string, [one, other = "newest"]: readonly string[], options: Options): Promise<void> {
  const [before, after] = [await named(folder, one, options), await named(folder, other, options)];
  const hosts = [...new Set([...Object.keys(before.hosts), ...Object.keys(after.hosts)])].sort();
  const { repository: at } = await signed(folder, options);
  await using repository = await opened(at, false);
  const changes = [];
  for (const host of hosts) {
    const [old = null, now = null] = [before.hosts[host], after.hosts[host]];
    if (old === now) continue;
    const what =
      old === null || now === null
        ? null
        : await closureChanges(repository, basename(old), basename(now)).catch(untold);
    changes.push({ host, before: old, after: now, changes: what });
  }
  if (options.json) return printJson(changes);
  if (changes.length === 0) return print("the releases have the same closures");
  print(changes.map(hostLines).join("\n"));
}

/** A closure that the repository has no more changes nothing about what the releases say. */
function untold(error: unknown): null {
  if (error instanceof UserError) return null;
  throw error;
}

/** So many of a kind are named. */
const NAMED = 10;

function hostLines({
  host,
  before,
  after,
  changes,
}: {
  readonly host: string;
  readonly before: string | null;
  readonly after: string | null;
  readonly changes: Awaited<ReturnType<typeof closureChanges>> | null;
}): string {
  if (after === null) return `${host}: gone`;
  if (before === null) return `${host}: new`;
  if (changes === null) return `${host}: changed; the repository does not have both closures any more`;
  const { packages, files } = changes;
  const said = (word: string, names: readonly string[]) => [
    ...names.slice(0, NAMED).map((name) => `  ${word} ${name}`),
    ...(names.length > NAMED ? [`  ${word} ${names.length - NAMED} more`] : []),
  ];
  return [
    `${host}: changed`,
    ...packages.map(({ name, before: old, after: now }) => `  package ${name} ${old ?? "none"} → ${now ?? "none"}`),
    ...said("new", files.added),
    ...said("gone", files.removed),
    ...said("changed", files.changed),
  ].join("\n");
}

/** Each release, as a host would read it, and whether the repository has what it names. */
async function verify(folder: string, options: Options): Promise<void> {
  const from = await where(folder, options);
  const { repository: at } = await signed(folder, options);
  const problems: string[] = [];
  const targets = await listReleases(from);
  await using repository = await opened(at, false);
  for (const { path, custom } of targets) {
    try {
      const { hosts } = await readRelease({ ...from, release: String(custom.id) });
      for (const [host, closure] of Object.entries(hosts)) {
        await repository.list(basename(closure)).catch((error: UserError) => {
          problems.push(`release ${path.replace(".json", "")}, ${host}: ${error.message}`);
        });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(`release ${path.replace(".json", "")}: ${error.message}`);
    }
  }
  if (options.json) printJson({ releases: targets.length, problems });
  if (problems.length > 0) throw new UserError("not every release can be brought to hosts", problems);
  if (!options.json) print(`${targets.length} releases are signed, and there whole`);
}
