/** What a declaration takes from the fleet's folder: files, trees and package files, each by its hash from here on. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { UserError } from "../errors.ts";
import type { FilePlan, SourcePlan } from "../plan/file-plan.ts";
import type { HostPlan } from "../plan/host.ts";
import { hiddenBy } from "../plan/managed.ts";

/** The plan with everything in it. @throws UserError where something is not there, or leads out of the fleet's folder */
export function withOwnFiles({ own, ...plan }: HostPlan, folder: string): HostPlan {
  if (own === undefined) return plan;
  const copies = own.sources.flatMap((source) => filesOf(source, folder));
  const files = [...plan.files, ...copies].sort((a, b) => (a.path < b.path ? -1 : 1));
  const twice = files.find(({ path }, index) => files[index + 1]?.path === path);
  if (twice !== undefined) {
    throw new UserError(`${twice.path} is declared twice`, ["by itself, and as part of a folder that is a `source`"]);
  }
  for (const entry of plan.persistence.entries) {
    const hidden = hiddenBy(entry, copies);
    if (hidden === undefined) continue;
    throw new UserError(`${entry.path} cannot be persisted: the declaration makes ${hidden} at every boot`, [
      ...entry.declaredAt.map((place) => `at ${place}`),
      "persist a path beside it",
    ]);
  }
  const debs = own.debs.map((file) => ({ file, sha256: hashOf(placeOf(file, folder)) }));
  return { ...plan, files, packages: debs.length === 0 ? plan.packages : { ...plan.packages, debs } };
}

function filesOf({ path, source, mode }: SourcePlan, folder: string): readonly FilePlan[] {
  const place = placeOf(source, folder);
  const stats = lstatSync(place);
  if (stats.isDirectory()) {
    return readdirSync(place)
      .sort()
      .flatMap((name) =>
        filesOf({ kind: "source", path: `${path}/${name}`, source: `${source}/${name}`, mode }, folder),
      );
  }
  if (stats.isSymbolicLink()) return [{ kind: "symlink", path, target: readlinkSync(place) }];
  if (!stats.isFile()) {
    throw new UserError(`${place} is neither a file, a folder nor a link`, [`${path} is to be made from it`]);
  }
  const itsMode = (stats.mode & 0o100) === 0 ? "0644" : "0755";
  return [{ kind: "copy", path, source, sha256: hashOf(place), mode: mode ?? itsMode }];
}

/** Where it is, which no link on the way leads out of: what a host is made of is in the fleet's folder, to be committed. */
function placeOf(source: string, folder: string): string {
  const place = join(folder, source);
  try {
    const above = realpathSync(join(place, ".."));
    const top = realpathSync(folder);
    if (above !== top && !above.startsWith(`${top}${sep}`)) {
      throw new UserError(`${place} is not in the fleet's folder`, ["a link leads out of it: copy what you need"]);
    }
    lstatSync(place);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`there is no ${place}`, [
      "a `source` and a package file are named by their path from fleet.ts",
    ]);
  }
  return place;
}

function hashOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch (error) {
    throw new UserError(`${file} cannot be read`, [error instanceof Error ? error.message : String(error)]);
  }
}
