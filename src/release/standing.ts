/** What a repository has of releases, as far as trusted keys have signed it: what the next version goes on from. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Metadata, MetadataKind, type Snapshot, type Targets, type Timestamp } from "@tufjs/models";
import type { Repository } from "../content/repository.ts";
import { UserError } from "../errors.ts";
import { type StoredRoot, storedRoot } from "./key-folder.ts";
import { METADATA } from "./paths.ts";
import type { Trust } from "./trust.ts";

type Part = "targets" | "snapshot" | "timestamp";

export interface Found<T> {
  readonly signed: T;
  readonly text: string;
  /** Enough of the newest root's keys have signed it. */
  readonly current: boolean;
}

export interface Standing {
  readonly targets: Found<Targets> | null;
  readonly snapshot: Found<Snapshot> | null;
  /** The highest version of each that was ever signed. The same is never signed twice. */
  readonly versions: Readonly<Record<Part, number>>;
}

/**
 * A file counts by its signatures alone. So one that somebody has put there is left aside; and one that was written before
 * the power was cut is gone on from.
 * @param memory what the builder saw last: where the repository is older, or lost, it goes on from that
 */
export async function standing(repository: Repository, roots: readonly StoredRoot[], memory: Trust): Promise<Standing> {
  const folder = join(repository.folder, METADATA);
  const names = await readdir(folder).catch(() => []);
  const texts = async (role: Part) => {
    const files = names.filter((name) => name === `${role}.json` || new RegExp(`^\\d+\\.${role}\\.json$`).test(name));
    const read = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
    return [...read, ...(memory[role] === null ? [] : [memory[role]])];
  };
  const targets = verified(await texts("targets"), (json) => Metadata.fromJSON(MetadataKind.Targets, json), roots);
  const snapshots = verified(await texts("snapshot"), (json) => Metadata.fromJSON(MetadataKind.Snapshot, json), roots);
  const timestamps = verified(
    await texts("timestamp"),
    (json) => Metadata.fromJSON(MetadataKind.Timestamp, json),
    roots,
  );
  return {
    targets: targets.best,
    snapshot: snapshots.best,
    versions: { targets: targets.highest, snapshot: snapshots.highest, timestamp: timestamps.highest },
  };
}

/** Nobody honest gets there. Whoever did has stolen keys; once these are replaced, hosts forget the number. */
const ABSURD = 1_000_000_000;

function verified<T extends Targets | Snapshot | Timestamp>(
  texts: readonly string[],
  read: (json: never) => Metadata<T>,
  roots: readonly StoredRoot[],
): { readonly best: Found<T> | null; readonly highest: number } {
  const newest = roots.length - 1;
  const found = texts.flatMap((text) => {
    try {
      const metadata = read(JSON.parse(text) as never);
      const by = roots.findLastIndex(({ metadata: root }) => isSigned(root, metadata));
      return by < 0 ? [] : [{ signed: metadata.signed, text, by, current: by === newest }];
    } catch {
      return [];
    }
  });
  const sound = found.filter(({ signed }) => signed.version < ABSURD);
  const [best = null] = sound.toSorted((one, other) => other.by - one.by || other.signed.version - one.signed.version);
  return { best, highest: Math.max(0, ...sound.map(({ signed }) => signed.version)) };
}

function isSigned(root: StoredRoot["metadata"], metadata: Metadata<Targets | Snapshot | Timestamp>): boolean {
  try {
    root.verifyDelegate(metadata.signed.type, metadata);
    return true;
  } catch {
    return false;
  }
}

/**
 * The roots of the builder, and those that another builder has signed since.
 * @throws UserError if the repository's are of other keys
 */
export async function agreedRoots(repository: Repository, own: readonly StoredRoot[]): Promise<readonly StoredRoot[]> {
  const at = (version: number) => join(repository.folder, METADATA, `${version}.root.json`);
  for (const { version, text } of own) {
    if (existsSync(at(version)) && (await readFile(at(version), "utf8")) !== text) {
      throw new UserError(`${repository.folder} has releases that other keys have signed`, [
        `${at(version)} is not the root of this version that the key folder has`,
        "use the keys that belong to it; if you begin anew, first move its folder `releases` away",
      ]);
    }
  }
  const roots = [...own];
  for (let last = roots.at(-1); last !== undefined && existsSync(at(last.version + 1)); last = roots.at(-1)) {
    const next = storedRoot(await readFile(at(last.version + 1), "utf8"));
    try {
      if (next.version !== last.version + 1) throw new Error("another version");
      last.metadata.verifyDelegate(MetadataKind.Root, next.metadata);
      next.metadata.verifyDelegate(MetadataKind.Root, next.metadata);
    } catch {
      throw new UserError(`${at(last.version + 1)} is not signed by the root before it`, [
        "somebody else has put it there: find out who writes into the repository, then remove it",
      ]);
    }
    roots.push(next);
  }
  return roots;
}
