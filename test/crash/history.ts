/** What may happen to a host over time, and what must then still be there. */
import fc from "fast-check";

export type Event =
  | {
      readonly kind: "boot";
      /** Since the previous event, in minutes; a clock may be set back, or start anew. */
      readonly minutes: number;
      readonly retentionDays: number;
      readonly keepNewest: number;
      readonly prune: "" | "yes";
      /** How far the wipe gets, in milliseconds, if the power fails in it. */
      readonly killedAfter: number | null;
    }
  /** Made by somebody else, in old_roots: under the wipe's kind of name or another. */
  | { readonly kind: "leftover"; readonly what: "folder" | "link" | "subvolume"; readonly name: string }
  | { readonly kind: "interrupted"; readonly left: "@root.new" | "no @root" }
  | { readonly kind: "prune"; readonly retentionDays: number; readonly keepNewest: number };

const DAY = 24 * 60;
const retention = { retentionDays: fc.constantFrom(0, 1, 30, 3650), keepNewest: fc.integer({ min: 0, max: 4 }) };

export const history: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("boot" as const),
        minutes: fc.oneof(
          fc.constantFrom(0, 1, 29 * DAY, 31 * DAY, -DAY, -400 * DAY, 4000 * DAY),
          fc.integer({ min: -100 * DAY, max: 100 * DAY }),
        ),
        ...retention,
        prune: fc.constantFrom("" as const, "yes" as const),
        killedAfter: fc.oneof(
          { weight: 3, arbitrary: fc.constant(null) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }) },
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("leftover" as const),
        what: fc.constantFrom("folder" as const, "link" as const, "subvolume" as const),
        name: fc.constantFrom("backup", "20190101T000000.000Z", "20190102T000000", "20190103T000000.000Z.kept"),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("interrupted" as const),
        left: fc.constantFrom("@root.new" as const, "no @root" as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("prune" as const), ...retention }) },
  ),
  { minLength: 3, maxLength: 9 },
);

/** An old root, by its name and by the mark that the host which ran on it left. */
export interface OldRoot {
  readonly name: string;
  readonly mark: string;
}

/**
 * The names of those that may be deleted, as docs/wipe.md says, in other words than the script's.
 * @param all the names in old_roots that are subvolumes
 * @param newest the newest name of the wipe's form, whatever has it
 * @param now in milliseconds
 */
export function mayBePruned(
  all: readonly string[],
  newest: string,
  now: number,
  retentionDays: number,
  keepNewest: number,
): readonly string[] {
  if (now + 999 < timeOf(newest)) return [];
  const own = all.filter(isOldRootName).sort();
  const kept = own.slice(Math.max(0, own.length - keepNewest));
  return own.filter((name) => !kept.includes(name) && timeOf(name) < now - retentionDays * DAY * 60_000);
}

export function isOldRootName(name: string): boolean {
  return /^\d{8}T\d{6}\.\d{3}Z$/.test(name);
}

/** 20261123T000312.000Z, in milliseconds. */
export function timeOf(name: string): number {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z$/.exec(name) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

export function nameOf(time: number): string {
  return new Date(time).toISOString().replace(/[-:]/g, "");
}
