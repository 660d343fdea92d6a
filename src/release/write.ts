/** Signs what a repository has of releases, and places it so that a reader sees what was there before, or all of the new. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Root, Snapshot, TargetFile, Targets, Timestamp } from "@tufjs/models";
import type { Repository } from "../content/repository.ts";
import type { Release } from "../wire/release.ts";
import { type KeyFolder, type StoredRoot, writeRoot } from "./key-folder.ts";
import type { Role, SigningKey } from "./keys.ts";
import { METADATA, sequenceOf, TARGETS, targetOf } from "./paths.ts";
import { listReleases } from "./read.ts";
import { canSign, expiry, isDue, metaFile, SPEC, sha256, signed } from "./sign.ts";
import { agreedRoots, standing } from "./standing.ts";
import { readTrust } from "./trust.ts";

export interface Builder {
  readonly keyFolder: KeyFolder;
  /** Those that are here. */
  readonly keys: readonly SigningKey[];
  readonly now: number;
}

export interface Change {
  /** Called with what is listed now and is there, the newest first, and the next number; what it returns is added. */
  readonly release?: (listed: readonly TargetFile[], sequence: number) => Promise<Release | null>;
  /** The next root, signed, made from the newest one. */
  readonly root?: (newest: Root) => StoredRoot | null;
  /** Called when all is signed, before anything is written. */
  readonly ready?: () => Promise<void>;
}

export interface Written {
  readonly release: Release | null;
  /** When what is signed now stops to be good. */
  readonly expires: Readonly<Record<Role, string>>;
}

/**
 * Signs anew what another root, a new release or the time calls for, as far as the keys are here; the timestamp always.
 * Killed at any moment, the next call goes on from there.
 * @param repository opened: nobody else writes to it meanwhile
 * @throws UserError if keys are missing that it cannot do without, or the repository is of other keys
 */
export async function writeReleases(repository: Repository, builder: Builder, change: Change = {}): Promise<Written> {
  const { keyFolder, keys, now } = builder;
  const { settings, folder } = keyFolder;
  const before = await agreedRoots(repository, keyFolder.roots);
  const newRoot = change.root?.(newestOf(before).metadata.signed) ?? null;
  const roots = newRoot === null ? before : [...before, newRoot];
  const root = newestOf(roots).metadata.signed;
  const found = await standing(repository, roots, await readTrust(keyFolder.trust));
  const has = (target: TargetFile) => existsSync(join(repository.folder, fileOf(target)));
  const listed = Object.values(found.targets?.signed.targets ?? {}).sort(
    (a, b) => sequenceOf(b.path) - sequenceOf(a.path),
  );
  const last = Math.max(lastOf(found.targets?.signed), ...listed.map(({ path }) => sequenceOf(path)));
  const release = (await change.release?.(listed.filter(has), last + 1)) ?? null;

  const files: (readonly [path: string, content: Uint8Array])[] = [];
  for (const { version, text } of roots) {
    const path = `${METADATA}/${version}.root.json`;
    if (!repository.has(path)) files.push([path, Buffer.from(text)]);
  }
  const common = (role: Role, version: number) => ({
    version,
    specVersion: SPEC,
    expires: expiry(now, settings.days[role]),
  });
  const isStale = (role: "targets" | "snapshot") => {
    const one = found[role];
    return (
      one === null || !one.current || (isDue(one.signed.expires, settings.days[role], now) && canSign(role, root, keys))
    );
  };

  let targets = found.targets;
  if (
    release !== null ||
    isStale("targets") ||
    (listed.some((target) => !has(target)) && canSign("targets", root, keys))
  ) {
    const kept = listed.filter(has).slice(0, settings.keep - (release === null ? 0 : 1));
    if (release !== null) {
      const [target, text] = describe(release);
      kept.unshift(target);
      files.unshift([fileOf(target), text]);
    }
    const content = new Targets({
      ...common("targets", found.versions.targets + 1),
      targets: Object.fromEntries(kept.map((target) => [target.path, target])),
      unrecognizedFields: { [LAST]: release?.sequence ?? last },
    });
    const text = signed(content, "targets", root, keys);
    files.push([`${METADATA}/${content.version}.targets.json`, text]);
    targets = { signed: content, text: text.toString(), current: true };
  }
  if (targets === null) throw new Error("no list of releases");

  let snapshot = found.snapshot;
  const wanted = metaFile(targets.signed.version, Buffer.from(targets.text));
  const names = snapshot?.signed.meta["targets.json"];
  if (snapshot === null || isStale("snapshot") || names === undefined || !names.equals(wanted)) {
    const content = new Snapshot({
      ...common("snapshot", found.versions.snapshot + 1),
      meta: { "targets.json": wanted },
    });
    const text = signed(content, "snapshot", root, keys);
    snapshot = { signed: content, text: text.toString(), current: true };
  }
  // What the builder remembers may be missing in a repository that was lost.
  for (const [role, { signed: content, text }] of Object.entries({ targets, snapshot })) {
    const path = `${METADATA}/${content.version}.${role}.json`;
    if (!repository.has(path) && !files.some(([place]) => place === path)) files.push([path, Buffer.from(text)]);
  }
  const timestamp = new Timestamp({
    ...common("timestamp", found.versions.timestamp + 1),
    snapshotMeta: metaFile(snapshot.signed.version, Buffer.from(snapshot.text)),
  });
  const stamp = signed(timestamp, "timestamp", root, keys);

  await change.ready?.();
  for (const one of roots.slice(keyFolder.roots.length)) await writeRoot(folder, one);
  await repository.add(each(files));
  // Readers begin with the timestamp: what it names is on the disk by now.
  await repository.add(each([[`${METADATA}/timestamp.json`, stamp]]));
  const { targets: named } = targets.signed;
  await listReleases({ state: keyFolder.trust, mirrors: [pathToFileURL(repository.folder).href] });
  await removeOld(repository, new Set(Object.values(named).map(fileOf)), {
    targets: targets.signed.version,
    snapshot: snapshot.signed.version,
  });
  return {
    release,
    expires: {
      root: root.expires,
      targets: targets.signed.expires,
      snapshot: snapshot.signed.expires,
      timestamp: timestamp.expires,
    },
  };
}

/** In the signed list, so that no number is given twice, although none of the releases may be there any more. */
const LAST = "x-nixfleet-last";

function lastOf(targets: Targets | undefined): number {
  const last = targets?.unrecognizedFields[LAST];
  return typeof last === "number" ? last : 0;
}

function newestOf(roots: readonly StoredRoot[]): StoredRoot {
  const newest = roots.at(-1);
  if (newest === undefined) throw new Error("no root");
  return newest;
}

/** `custom` is for lists alone; the digest is of the file. */
function describe(release: Release): readonly [TargetFile, Buffer] {
  const text = Buffer.from(JSON.stringify(release));
  const { id, commit, created, note, hosts } = release;
  const custom = { id, commit, created, note, hosts: Object.keys(hosts).length };
  const path = targetOf(release.sequence);
  const target = new TargetFile({
    path,
    length: text.length,
    hashes: { sha256: sha256(text) },
    unrecognizedFields: { custom },
  });
  return [target, text];
}

export function fileOf({ path, hashes }: TargetFile): string {
  return `${TARGETS}/${hashes.sha256}.${path}`;
}

/** Hosts that are reading may still want what was the newest a moment ago. */
const VERSIONS_KEPT = 5;

async function removeOld(
  repository: Repository,
  needed: ReadonlySet<string>,
  newest: Readonly<Record<"targets" | "snapshot", number>>,
): Promise<void> {
  const inside = (part: string) => readdir(join(repository.folder, part)).catch(() => []);
  for (const name of await inside(TARGETS)) {
    const path = `${TARGETS}/${name}`;
    if (/^[0-9a-f]{64}\.\d+\.json$/.test(name) && !needed.has(path)) await repository.remove(path);
  }
  for (const name of await inside(METADATA)) {
    const [, version, role] = /^(\d+)\.(targets|snapshot)\.json$/.exec(name) ?? [];
    if (version === undefined || (role !== "targets" && role !== "snapshot")) continue;
    if (Number(version) <= newest[role] - VERSIONS_KEPT) await repository.remove(`${METADATA}/${name}`);
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
