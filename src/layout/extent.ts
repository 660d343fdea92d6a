/** Where a partition begins and ends, as disko and sgdisk(8) write it: a size, or a `start` and an `end`. */
import { UserError } from "../errors.ts";
import type { OptionType } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { MIB, parseAligned } from "./size.ts";

/** In bytes. */
export interface Extent {
  /** From the start of the disk; `null`: where the partition before it ends. */
  readonly start: number | null;
  /** `null`: the rest of the disk, but for what it `leaves`. */
  readonly size: number | null;
  /** At the end of the disk, for the partitions after it. */
  readonly leaves: number;
}

export interface DeclaredExtent {
  readonly size: string | null;
  readonly start: string | null;
  readonly end: string | null;
}

export const partitionSizeType: OptionType<string> = types.strMatching(
  /(?=.*[1-9])[0-9]+(\.[0-9]+)?[KMGTP](iB)?|100%/,
  "a size such as 512M, or 100% for the rest (another part of a disk is not known before it is there)",
);

/** `0` is what disko has where none is declared. */
export const startType: OptionType<string> = types.strMatching(
  /0%?|-?[0-9]+(\.[0-9]+)?[KMGTP](i?B)?/,
  "how far the partition begins from the start of the disk, such as 1M, or before its end (-1G), where the one before it ends",
);

export const endType: OptionType<string> = types.strMatching(
  /-0|100%|[+-]?(?=.*[1-9])[0-9]+(\.[0-9]+)?[KMGTP](i?B)?/,
  "128M (from the start of the disk), +8G (a size), -10G (before the end of the disk), or -0 or 100% (that end; no other part of a disk is known before it is there)",
);

/** Whether it takes all that is left at its end of the disk. */
export function takesRest({ size, end }: { readonly size: string | null; readonly end: string | null }): boolean {
  return end === null ? size === "100%" : end === "-0" || end === "100%";
}

/**
 * @param previous where the partition before it ends, in bytes; `null`: that depends on the disk
 * @param left what that leaves at the end of the disk
 * @throws UserError without a word about where it is declared
 */
export function extentOf({ size, start, end }: DeclaredExtent, previous: number | null, left = 0): Extent {
  const follows = start === null || /^0%?$/.test(start) || start.startsWith("-");
  if (start?.startsWith("-") === true && parseAligned(start.slice(1)) !== left) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it does not end there`, [
      `write end: ${JSON.stringify(start)} in that one, or remove start`,
    ]);
  }
  const begins = follows ? null : parseAligned(start);
  if (begins !== null && previous !== null && begins < previous) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it ends at ${previous / MIB}M`, [
      `remove start, or write at least ${previous / MIB}M; priority sets which partition comes first`,
    ]);
  }
  if (begins !== null && previous === null) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it extends to the end of the disk`, [
      "remove start",
    ]);
  }
  const whole = (bytes: number): Extent => ({ start: begins, size: bytes, leaves: 0 });
  const rest = (leaves: number): Extent => ({ start: begins, size: null, leaves });
  if (end === null) {
    if (size === null)
      throw new UserError("neither size nor end is set", ['add size: "100%" for the rest of the disk']);
    return size === "100%" ? rest(0) : whole(parseAligned(size));
  }
  if (takesRest({ size, end })) return rest(0);
  if (end.startsWith("-")) return rest(parseAligned(end.slice(1)));
  if (end.startsWith("+")) return whole(parseAligned(end.slice(1)));
  const from = begins ?? previous;
  if (from === null) {
    throw new UserError(`end = ${JSON.stringify(end)}: the partition before it extends to the end of the disk`, [
      "write a size instead",
    ]);
  }
  const bytes = parseAligned(end) - from;
  if (bytes > 0) return whole(bytes);
  throw new UserError(`end = ${JSON.stringify(end)}: the partition begins at ${from / MIB}M, so it would be empty`, [
    `end counts from the start of the disk; if you mean the size, write size: ${JSON.stringify(end)}`,
  ]);
}

/** Where the next partition begins; `null`: that depends on the disk. */
export function endOf({ start, size }: Extent, previous: number | null): number | null {
  const from = start ?? previous;
  return from === null || size === null ? null : from + size;
}
