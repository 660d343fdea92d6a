/** Whether a closure that is in the store can be this host's, and what it does to persisted data, before anything is changed. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DescribedClosure, describedClosure } from "../deploy/running.ts";
import { isWithin } from "../paths.ts";
import { ownersList } from "../plan/activation.ts";
import type { Places } from "./places.ts";
import { stored } from "./places.ts";

/** Of an entry, where its data is. */
type Kept = Pick<DescribedClosure["entries"][number], "path" | "persistRoot">;

/** Data that no entry shows any more, at `path` below `persistRoot`. */
export interface Orphan extends Kept {
  /** The persist root whose data is shown in its place; null: none is. */
  readonly to: string | null;
}

/** @throws UserError where another version made it */
export async function describedAt(places: Places, closure: string): Promise<DescribedClosure> {
  const read = (name: string) => readFile(join(stored(places, closure), name), "utf8");
  return describedClosure(closure, await read("plan.json"), await read("manifest.json"));
}

/** What stands against it; null: nothing. */
export function objection(
  before: DescribedClosure,
  after: DescribedClosure,
  machine: string,
  acceptStray: boolean,
  exists: (path: string) => boolean = existsSync,
): string | null {
  if (after.hostName !== machine) return `the closure is of the host ${after.hostName}`;
  if (!after.files.some(({ path }) => path === "/etc/nixfleet-agent/settings.json")) {
    return "the closure has no agent: nobody could prove it, or change this host again";
  }
  const left = leftBehind(before, after, exists);
  if (left.length === 0 || acceptStray) return null;
  const more = left.length > MOST_NAMED ? `; and ${left.length - MOST_NAMED} more` : "";
  return `${left.slice(0, MOST_NAMED).join("; ")}${more}: declare it as it was, move the data, or start the rollout with --accept-stray`;
}

/** So many fit into a report, with what to do. */
const MOST_NAMED = 5;

/** What it does to persisted data, a sentence each; first what may surprise. */
export function changesOfData(
  before: DescribedClosure,
  after: DescribedClosure,
  exists: (path: string) => boolean = existsSync,
): readonly string[] {
  const [old, now] = [declaredOwners(before), declaredOwners(after)];
  const owned = [...now].filter(([path, owner]) => old.get(path) !== owner && exists(path));
  const added = after.entries.filter(({ path }) => holder(before.entries, path) === null);
  return [
    ...leftBehind(before, after, exists),
    ...owned.map(([path, owner]) => `${path} is declared as ${owner} now, and what is there keeps its owner and mode`),
    ...added.map(({ path }) => `${path} persists from now on`),
  ];
}

function leftBehind(
  before: DescribedClosure,
  after: DescribedClosure,
  exists: (path: string) => boolean,
): readonly string[] {
  return orphans(before.entries, after.entries)
    .map((orphan) => ({ ...orphan, source: join(orphan.persistRoot, orphan.path) }))
    .filter(({ source }) => exists(source))
    .map(({ path, source, to }) =>
      to === null
        ? `nothing declares ${source} any more`
        : `${path} is declared on ${to} now, and its data stays in ${source}`,
    );
}

/** Data that has no entry any more, or is hidden by one of another persist root. */
export function orphans(before: readonly Kept[], after: readonly Kept[]): readonly Orphan[] {
  const paths = [...new Set([...before, ...after].map(({ path }) => path))].sort();
  const all = paths.flatMap((path) => {
    const [persistRoot, to] = [holder(before, path), holder(after, path)];
    return persistRoot === null || persistRoot === to ? [] : [{ path, persistRoot, to }];
  });
  // What lies in another goes with it.
  const isPart = (one: Orphan) =>
    all.some(
      ({ path, persistRoot, to }) =>
        path !== one.path && isWithin(one.path, path) && persistRoot === one.persistRoot && to === one.to,
    );
  return all.filter((one) => !isPart(one));
}

/** The persist root that what is seen at a path comes from: that of the innermost entry around it. */
function holder(entries: readonly Kept[], path: string): string | null {
  const around = entries.filter((entry) => isWithin(path, entry.path));
  return around.toSorted((a, b) => b.path.length - a.path.length)[0]?.persistRoot ?? null;
}

/** By path on the persist root: user, group and mode, as chown and chmod take them, as far as somebody says them. */
function declaredOwners(closure: DescribedClosure): ReadonlyMap<string, string> {
  const lines = ownersList(closure).split("\n").slice(0, -1);
  return new Map(
    lines.map((line) => {
      const [mode = "", user = "", group = "", path = ""] = line.split("\t").map((one) => (one === "-" ? "" : one));
      return [path, [user, group === "" ? "" : `:${group}`, mode === "" ? "" : ` ${mode}`].join("").trim()];
    }),
  );
}
