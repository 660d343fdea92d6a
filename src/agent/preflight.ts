/** Whether a closure that is in the store can be this host's, before anything is changed. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type DescribedClosure, describedClosure } from "../deploy/running.ts";
import { isWithin } from "../paths.ts";
import type { Places } from "./places.ts";
import { stored } from "./places.ts";

/** Of an entry, where its data is. */
type Kept = Pick<DescribedClosure["entries"][number], "path" | "persistRoot">;

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
  const stray = orphans(before.entries, after.entries).filter(({ persistRoot, path }) =>
    exists(join(persistRoot, path)),
  );
  if (stray.length === 0 || acceptStray) return null;
  const paths = stray.map(({ path }) => path);
  return `nothing would declare what is kept in ${paths.slice(0, 10).join(", ")}${paths.length > 10 ? " and more" : ""}: start the rollout with --accept-stray, or declare it`;
}

/** Entries whose data no entry has any more. */
export function orphans<Entry extends Kept>(before: readonly Entry[], after: readonly Kept[]): readonly Entry[] {
  return before.filter(
    ({ path, persistRoot }) => !after.some((one) => one.persistRoot === persistRoot && isWithin(path, one.path)),
  );
}
