/** What a running host does to become what a new plan declares, without a reboot. */

import { isWithin } from "../paths.ts";
import { FRESH_MARK, PLACED_LIST, UNSETTLED_MARK } from "./activation.ts";
import type { FilePlan } from "./file-plan.ts";
import { isRedundant } from "./nesting.ts";
import type { PersistenceEntry, PersistenceParent } from "./persistence-plan.ts";
import { isConnectingPath, isConnectingUnit, readersOf } from "./switch-readers.ts";

/** What a closure says of itself, as far as a running host can follow it. */
export interface Described {
  /** `/nix/store/<digest>-debian-<suite>` */
  readonly packages: string;
  readonly files: readonly FilePlan[];
  /** Everything else of its plan, to be compared and no more. */
  readonly rest: Readonly<Record<string, unknown>>;
}

export interface Declared<Entry extends SwitchedEntry = SwitchedEntry> extends Described {
  readonly entries: readonly Entry[];
  readonly parents: readonly Pick<PersistenceParent, "path" | "user" | "mode">[];
}

/** What is there on a host that runs. */
export interface Running {
  /** The closure that was booted: its packages, kernel and users are those that run. */
  readonly booted: Described;
  /** The declared files of every closure whose files may be there: of several where a switch failed in part. */
  readonly files: readonly (readonly FilePlan[])[];
  readonly placed: readonly PlacedEntry[];
}

export type PlacedEntry = Pick<PersistenceEntry, "kind" | "how" | "persistRoot" | "path" | "mountOptions">;

export type SwitchedEntry = PlacedEntry & Pick<PersistenceEntry, "within">;

export interface SwitchPlan<Entry extends SwitchedEntry = SwitchedEntry> {
  /** Entries that are no longer declared, or otherwise; the innermost first. Their data stays where it is. */
  readonly unplaced: readonly Removal[];
  /** The outermost first. The host itself knows which of them hold something, and so are for the next boot. */
  readonly placed: readonly Entry[];
  /** Entries for the next boot: somebody but root may change a folder above them while they would be placed. */
  readonly postponed: readonly Entry[];
  /** Declared files that are new or other than before, by path. */
  readonly written: readonly string[];
  /** Declared files that are no longer declared, by path. */
  readonly removed: readonly string[];
  /** Units of systemd, each sorted: wanted now, of other contents than before, wanted no more or masked. */
  readonly units: {
    readonly started: readonly string[];
    readonly restarted: readonly string[];
    readonly stopped: readonly string[];
  };
  /** What only the next boot brings, each in a few words. */
  readonly atNextBoot: readonly string[];
}

export interface Removal {
  readonly entry: PlacedEntry;
  /** Whether its data remains that of an entry, which is only placed otherwise. */
  readonly remains: boolean;
}

export function switchPlan<Entry extends SwitchedEntry>(before: Running, after: Declared<Entry>): SwitchPlan<Entry> {
  const old = new Map(before.placed.map((entry) => [entry.path, placement(entry)]));
  const declared = after.entries.filter((entry) => !isRedundant(entry));
  const now = new Map(declared.map((entry) => [entry.path, placement(entry)]));
  const sources = new Map(after.entries.map(({ path, persistRoot }) => [path, persistRoot]));
  // What an outer one holds from the next boot on stays in its place until then.
  const held = new Set(after.entries.filter(isRedundant).map(({ path }) => path));
  const gone = before.placed.filter((entry) => now.get(entry.path) !== placement(entry));
  // What the closure manages inside an entry only activation shows in it.
  const managed = [...before.files.flat(), ...after.files].map(({ path }) => path);
  const isShown = ({ path }: PlacedEntry) => managed.some((file) => isWithin(file, path));
  const unplaced = gone
    .filter((entry) => !isShown(entry))
    .map((entry) => ({ entry, remains: sources.get(entry.path) === entry.persistRoot }))
    .filter(({ entry, remains }) => !remains || !held.has(entry.path));
  const placed = declared.filter((entry) => old.get(entry.path) !== placement(entry));
  const isSafe = (entry: Entry) =>
    entry.within === null &&
    !isShown(entry) &&
    after.parents.every((parent) => !isAbove(parent.path, entry.path) || isRootsAlone(parent));
  const files = changedFiles(before.files, after.files);
  const sinceBoot = changedFiles([before.booted.files], after.files);
  const persisted = [...before.placed, ...after.entries].map(({ path }) => path);
  const isLiveHere = (path: string) => isLive(path) && !persisted.some((folder) => isWithin(path, folder));
  return {
    unplaced: unplaced.toSorted((a, b) => (a.entry.path < b.entry.path ? 1 : -1)),
    placed: placed.filter(isSafe),
    postponed: placed.filter((entry) => !isSafe(entry)),
    written: files.written.filter(isLiveHere),
    removed: files.removed.filter(isLiveHere),
    units: changedUnits(files, after.files),
    atNextBoot: [
      ...(before.booted.packages === after.packages ? [] : ["packages, with the kernel among them"]),
      ...Object.keys(after.rest)
        .filter((part) => JSON.stringify(before.booted.rest[part]) !== JSON.stringify(after.rest[part]))
        .sort(),
      ...gone.filter(isShown).map(({ path }) => path),
      ...[...sinceBoot.written, ...sinceBoot.removed].filter((path) => !isLiveHere(path)).sort(),
    ],
  };
}

/** Whether nothing is left to be done but by a boot. */
export function isDone({ unplaced, placed, postponed, written, removed }: SwitchPlan): boolean {
  return [unplaced, placed, postponed, written, removed].every((list) => list.length === 0);
}

/** Whether what it changes at once can cut the connection that it came by. */
export function touchesNetwork({ unplaced, placed, written, removed, units }: SwitchPlan): boolean {
  const paths = [...written, ...removed, ...unplaced.map(({ entry }) => entry.path), ...placed.map(({ path }) => path)];
  return (
    paths.some(isConnectingPath) || [...units.started, ...units.restarted, ...units.stopped].some(isConnectingUnit)
  );
}

/** All that where and how it is placed depends on: for other owners and modes nothing is to be done. */
function placement({ kind, how, persistRoot, mountOptions }: PlacedEntry): string {
  return JSON.stringify([kind, how, persistRoot, how === "bind" ? mountOptions : []]);
}

function isAbove(folder: string, path: string): boolean {
  return folder !== path && isWithin(path, folder);
}

function isRootsAlone({ user, mode }: Pick<PersistenceParent, "user" | "mode">): boolean {
  return ["root", "0"].includes(user) && (Number.parseInt(mode, 8) & 0o022) === 0;
}

interface ChangedFiles {
  readonly written: readonly string[];
  readonly removed: readonly string[];
}

function changedFiles(befores: readonly (readonly FilePlan[])[], after: readonly FilePlan[]): ChangedFiles {
  const declared = after.filter(isDeclared);
  const olds = befores.map((files) => new Map(files.map((file) => [file.path, JSON.stringify(file)])));
  const now = new Set(after.map(({ path }) => path));
  const all = new Set(befores.flatMap((files) => files.filter(isDeclared).map(({ path }) => path)));
  return {
    written: declared
      .filter((file) => olds.some((old) => old.get(file.path) !== JSON.stringify(file)))
      .map(({ path }) => path),
    removed: [...all].filter((path) => !now.has(path)).sort(),
  };
}

/** Not what a root says of itself. */
function isDeclared({ path }: FilePlan): boolean {
  return ![PLACED_LIST, FRESH_MARK, UNSETTLED_MARK].includes(path);
}

/** switch.sh looks whether nobody but root can change anything there; what mounts /etc/fstab names is mounted. */
function isLive(path: string): boolean {
  return (path.startsWith("/etc/") && path !== "/etc/fstab") || path.startsWith("/opt/");
}

const UNITS = "/etc/systemd/system/";

/** `wanted` is the unit that a link of another's `.wants` or `.requires` leads to; `own` has its file or a drop-in. */
function unitOf(path: string): { readonly wanted?: string; readonly own?: string } {
  if (!path.startsWith(UNITS)) return {};
  const [first = "", second] = path.slice(UNITS.length).split("/");
  if (second === undefined) return { own: first };
  if (/\.(wants|requires)$/.test(first)) return { wanted: second };
  return first.endsWith(".d") ? { own: first.slice(0, -2) } : {};
}

function changedUnits({ written, removed }: ChangedFiles, after: readonly FilePlan[]): SwitchPlan["units"] {
  const isMasked = (unit: string) =>
    after.some((file) => file.path === UNITS + unit && file.kind === "symlink" && file.target === "/dev/null");
  const stillWanted = new Set(after.map(({ path }) => unitOf(path).wanted));
  const changed = written.map(unitOf);
  const gone = removed.filter((path) => !path.includes(".d/")).map(unitOf);
  const own = names(
    [...changed, ...removed.filter((path) => path.includes(".d/")).map(unitOf)].map((unit) => unit.own),
  );
  const started = names(changed.map((unit) => unit.wanted)).filter((unit) => !isMasked(unit));
  return {
    started,
    restarted: names([...own, ...[...written, ...removed].flatMap(readersOf)]).filter(
      (unit) => !started.includes(unit) && !isMasked(unit),
    ),
    stopped: names([
      ...own.filter(isMasked),
      ...gone.map((unit) => unit.wanted).filter((unit) => !stillWanted.has(unit)),
      ...gone.map((unit) => unit.own).filter((unit) => !stillWanted.has(unit)),
    ]),
  };
}

function names(found: readonly (string | undefined)[]): string[] {
  return [...new Set(found)].filter((name) => name !== undefined).sort();
}
