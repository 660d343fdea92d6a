/** What a running host does to become what a new plan declares, without a reboot. */
import type { FilePlan } from "./files.ts";
import { isRedundant } from "./nesting.ts";
import type { PersistenceEntry } from "./persistence.ts";

/** What a closure says of itself, as far as a running host can follow it. */
export interface Running {
  /** `/nix/store/<digest>-debian-<suite>` */
  readonly packages: string;
  readonly files: readonly FilePlan[];
  readonly entries: readonly SwitchedEntry[];
  /** Everything else of its plan, to be compared and no more. */
  readonly rest: Readonly<Record<string, unknown>>;
}

export type SwitchedEntry = Pick<
  PersistenceEntry,
  "kind" | "path" | "source" | "persistRoot" | "how" | "mountOptions" | "within"
>;

export interface SwitchPlan<Entry extends SwitchedEntry = SwitchedEntry> {
  /** Entries that are no longer declared, or otherwise; the innermost first. Their data stays where it is. */
  readonly unplaced: readonly Removal[];
  /** The outermost first. */
  readonly placed: readonly Placement<Entry>[];
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
  readonly entry: SwitchedEntry;
  /** Whether its data remains that of an entry, which is only placed otherwise. */
  readonly remains: boolean;
}

export interface Placement<Entry extends SwitchedEntry = SwitchedEntry> {
  readonly entry: Entry;
  /** Paths of the entries of before that lie in it, so that the persist root holds a part of it already. */
  readonly inside: readonly string[];
}

export function switchPlan<Entry extends SwitchedEntry>(
  before: Running,
  after: Omit<Running, "entries"> & { readonly entries: readonly Entry[] },
): SwitchPlan<Entry> {
  const old = new Map(before.entries.map((entry) => [entry.path, placement(entry)]));
  const now = new Map(after.entries.map((entry) => [entry.path, placement(entry)]));
  const unplaced = before.entries.filter((entry) => !isRedundant(entry) && now.get(entry.path) !== placement(entry));
  const sources = new Map(after.entries.map((entry) => [entry.path, entry.source]));
  // What the outer one is mounted over, and shows as well: to unmount it first would leave it empty for a while.
  const covered = new Set(after.entries.filter(isRedundant).map(({ path }) => path));
  const placed = after.entries.filter((entry) => !isRedundant(entry) && old.get(entry.path) !== placement(entry));
  const files = changedFiles(before.files, after.files);
  return {
    unplaced: unplaced
      .map((entry) => ({ entry, remains: sources.get(entry.path) === entry.source }))
      .filter(({ entry, remains }) => !remains || entry.how === "symlink" || !covered.has(entry.path))
      .toReversed(),
    placed: placed.map((entry) => ({
      entry,
      inside: before.entries
        .filter((other) => other.persistRoot === entry.persistRoot && other.path.startsWith(`${entry.path}/`))
        .map(({ path }) => path),
    })),
    written: files.written.filter(isLive),
    removed: files.removed.filter(isLive),
    units: changedUnits(files, after.files),
    atNextBoot: [
      ...(before.packages === after.packages ? [] : ["packages, with the kernel among them"]),
      ...Object.keys(after.rest)
        .filter((part) => JSON.stringify(before.rest[part]) !== JSON.stringify(after.rest[part]))
        .sort(),
      ...[...files.written, ...files.removed].filter((path) => !isLive(path)).sort(),
    ],
  };
}

/** All that where and how it is placed depends on: for other owners and modes nothing is to be done. */
function placement(entry: SwitchedEntry): string {
  return JSON.stringify([entry.kind, entry.source, entry.how, entry.mountOptions, isRedundant(entry)]);
}

interface ChangedFiles {
  readonly written: readonly string[];
  readonly removed: readonly string[];
}

function changedFiles(before: readonly FilePlan[], after: readonly FilePlan[]): ChangedFiles {
  const old = new Map(before.map((file) => [file.path, JSON.stringify(file)]));
  const now = new Set(after.map(({ path }) => path));
  return {
    written: after.filter((file) => old.get(file.path) !== JSON.stringify(file)).map(({ path }) => path),
    removed: before.map(({ path }) => path).filter((path) => !now.has(path)),
  };
}

/** Nobody but root can change anything in /etc while the files are put there; what mounts /etc/fstab names is mounted. */
function isLive(path: string): boolean {
  return path.startsWith("/etc/") && path !== "/etc/fstab";
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
    restarted: own.filter((unit) => !started.includes(unit) && !isMasked(unit)),
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

/** Lines for src/host/switch.sh, whose fields have tabs between; `-` where there is nothing to say. */
export function switchList(
  plan: SwitchPlan,
  homes: readonly { readonly name: string; readonly home: string }[],
): string {
  const userOf = (path: string) =>
    homes.find(({ name, home }) => name !== "root" && path.startsWith(`${home}/`))?.name ?? "-";
  const lines = [
    ...plan.unplaced.map(({ entry, remains }) => [
      "unplace",
      entry.kind,
      entry.how,
      userOf(entry.path),
      entry.persistRoot,
      entry.path,
      entry.source,
      remains ? "changed" : "gone",
    ]),
    ...plan.placed.flatMap(({ entry, inside }) => inside.map((path) => ["inside", entry.path, path])),
    ...plan.placed.map(({ entry, inside }) => [
      "place",
      entry.kind,
      entry.how,
      ["bind", ...entry.mountOptions].join(","),
      userOf(entry.path),
      inside.length > 0 ? "part" : "none",
      entry.persistRoot,
      entry.path,
    ]),
    ...plan.written.map((path) => ["write", path]),
    ...plan.removed.map((path) => ["remove", path]),
    ...plan.units.stopped.map((unit) => ["stop", unit]),
    ...plan.units.restarted.map((unit) => ["try-restart", unit]),
    ...plan.units.started.map((unit) => ["start", unit]),
  ];
  return lines.map((fields) => `${fields.join("\t")}\n`).join("");
}
