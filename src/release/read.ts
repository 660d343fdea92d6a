/** Releases as a host believes them: by the signatures of keys that it trusts, wherever the files come from. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Metadata, MetadataKind } from "@tufjs/models";
import { type TargetFile, Updater } from "tuf-js";
import { temporaryFolder } from "../local/resources.ts";
import { type Release, release as releaseSchema } from "../wire/release.ts";
import { ReleaseError } from "./error.ts";
import { type MirrorFetcher, mirrorFetcher, PATIENCE, type Patience } from "./mirror.ts";
import { METADATA, sequenceOf, TARGETS, targetOf } from "./paths.ts";
import { releaseIdOf } from "./release-id.ts";
import { forgotten, readTrust, rootOf, type Trust, trustLock, writeTrust } from "./trust.ts";

export { ReleaseError, type ReleaseErrorKind } from "./error.ts";
export { followRoot, startTrust } from "./trust.ts";

export interface Where {
  /** The folder that `startTrust` has filled. What is seen signed is remembered there, also when the release is not found. */
  readonly state: string;
  /** URLs of content repositories, https, http or file. The next is asked when one has nothing right. */
  readonly mirrors: readonly string[];
  readonly patience?: Patience;
}

/** @throws ReleaseError with what is wrong at the mirrors, or here */
export async function readRelease({ release, ...where }: Where & { readonly release: string }): Promise<Release> {
  return await fromMirrors(where, async ({ targets, read }) => {
    const named = targets.filter(({ custom }) => custom.id === release);
    const [target] = named;
    if (target === undefined)
      throw new ReleaseError("noSuchRelease", `there is no release ${release}`, [
        "it was never signed, or is so old that it is listed no more",
      ]);
    return await whole(target, release, read);
  });
}

/** What the signed list says of each release, the newest first. */
export async function listReleases(where: Where): Promise<readonly TargetFile[]> {
  return await fromMirrors(where, async ({ targets }) => targets);
}

/** In bytes: three times what the most hosts take. */
const LARGEST = 8 * 1024 * 1024;

async function whole(target: TargetFile, id: string, read: Mirror["read"]): Promise<Release> {
  const wrong = (why: string) => new ReleaseError("wrongContent", `release ${id} is not what its name says: ${why}`);
  if (target.length > LARGEST) throw wrong(`it has ${target.length} bytes`);
  const text = (await read(target)).toString("utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong("it is no JSON");
  }
  const { success, data, error } = releaseSchema.safeParse(json);
  if (!success) throw wrong(error.issues[0]?.message ?? "");
  if (data.id !== id || releaseIdOf(data) !== id) throw wrong("it has another name");
  if (target.path !== targetOf(data.sequence)) throw wrong(`it is number ${data.sequence}`);
  return data;
}

interface Mirror {
  /** The releases that it has, all signed, the newest first. */
  readonly targets: readonly TargetFile[];
  readonly read: (target: TargetFile) => Promise<Buffer>;
}

/** Asks one mirror after the other; after each, what was seen signed there is kept. */
async function fromMirrors<T>(
  { state, mirrors, patience = PATIENCE }: Where,
  ask: (mirror: Mirror) => Promise<T>,
): Promise<T> {
  await readTrust(state); // before a folder is made for the lock
  await using _alone = await trustLock(state);
  const failures: ReleaseError[] = [];
  for (const url of mirrors) {
    await using scratch = await temporaryFolder();
    const trust = await readTrust(state);
    await unpack(trust, scratch.path);
    const fetcher = mirrorFetcher(scratch.path, patience);
    try {
      return await ask(await refreshed(url, trust, scratch.path, fetcher));
    } catch (error) {
      failures.push(told(error, url, fetcher));
    } finally {
      const seen = await pack(scratch.path);
      if (JSON.stringify(seen) !== JSON.stringify(trust)) await writeTrust(state, seen);
    }
  }
  // A mirror that is merely away says less than one that has something wrong.
  const [first] = failures;
  const worst = failures.find(({ kind }) => kind !== "unreachable") ?? first;
  if (worst === undefined) throw new ReleaseError("unreachable", "no content repository is named");
  if (failures.length === 1) throw worst;
  throw new ReleaseError(
    worst.kind,
    worst.message,
    failures.flatMap(({ message, detail }) => [...(message === worst.message ? [] : [message]), ...detail]),
  );
}

async function refreshed(url: string, trust: Trust, scratch: string, fetcher: MirrorFetcher): Promise<Mirror> {
  const place = (part: string) => `${url.replace(/\/+$/, "")}/${part}`;
  const updater = () =>
    new Updater({
      metadataDir: scratch,
      metadataBaseUrl: place(METADATA),
      targetDir: scratch,
      targetBaseUrl: place(TARGETS),
      fetcher,
    });
  let current = updater();
  try {
    await current.refresh();
  } catch (error) {
    const [before, after] = [rootOf(trust.root), rootOf(await readFile(join(scratch, "root.json"), "utf8"))];
    if (before === null || after === null || Object.keys(forgotten(before.signed, after.signed)).length === 0)
      throw error;
    for (const role of [MetadataKind.Timestamp, MetadataKind.Snapshot])
      await rm(join(scratch, `${role}.json`), { force: true });
    current = updater();
    await current.refresh();
  }
  const { signed } = Metadata.fromJSON(
    MetadataKind.Targets,
    JSON.parse(await readFile(join(scratch, "targets.json"), "utf8")),
  );
  return {
    targets: Object.values(signed.targets).sort((one, other) => sequenceOf(other.path) - sequenceOf(one.path)),
    read: async (target) => await readFile(await current.downloadTarget(target, join(scratch, "target"))),
  };
}

const ROLES = ["root", "timestamp", "snapshot", "targets"] as const;

async function unpack(trust: Trust, folder: string): Promise<void> {
  for (const role of ROLES) {
    const text = trust[role];
    if (text !== null) await writeFile(join(folder, `${role}.json`), text);
  }
}

async function pack(folder: string): Promise<Trust> {
  const read = (role: string) => readFile(join(folder, `${role}.json`), "utf8").catch(() => null);
  const [root, timestamp, snapshot, targets] = await Promise.all(ROLES.map(read));
  if (root === null || root === undefined) throw new Error("the updater lost its root");
  return { version: 1, root, timestamp: timestamp ?? null, snapshot: snapshot ?? null, targets: targets ?? null };
}

/**
 * The updater refuses in words: it wraps what it catches into errors of another class. Which kind an error is decides what people
 * are told, and nothing else.
 */
function told(error: unknown, url: string, fetcher: MirrorFetcher): ReleaseError {
  if (error instanceof ReleaseError) return error;
  const failure = fetcher.failure();
  if (failure !== null) return failure;
  const text = (error instanceof Error ? error.message : String(error)).replace(
    /^Unable to load.*? error (\w*Error: )?/,
    "",
  );
  const kind = kindOf(text);
  return new ReleaseError(kind, `${url} ${SAYS[kind]}`, [
    text,
    ...(kind === "expired"
      ? [`it is ${new Date().toISOString()} here; the builder's part is: nixfleet release refresh`]
      : []),
  ]);
}

const SAYS = {
  expired: "has what was signed for a time that is over",
  notSigned: "has what is not signed by enough of the keys that are trusted",
  rollback: "has what is older than what was seen before",
  wrongContent: "has files that are not what their signed description says",
} as const;

function kindOf(text: string): keyof typeof SAYS {
  if (/is expired/.test(text)) return "expired";
  if (/was signed by \d+\/\d+ keys/.test(text)) return "notSigned";
  if (/is less than current version/.test(text)) return "rollback";
  const [, wanted, got] = /^Expected version (\d+), got (\d+)/.exec(text) ?? [];
  return Number(got) < Number(wanted) ? "rollback" : "wrongContent";
}
