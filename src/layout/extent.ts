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
  /** In place of all that, from the first partition on whose place depends on the size of the disk. */
  readonly share?: Share;
}

/** From one place of a disk to another. */
export interface Share {
  readonly begins: Place;
  readonly ends: Place;
}

/** A place of a disk of any size. */
export interface Place {
  /** The part of the disk that is before it, in hundredths of a percent, rounded down to whole MiB; */
  readonly hundredths: number;
  /** and how many bytes more. */
  readonly bytes: number;
}

/** Where the first partition begins, at the earliest. */
export const FIRST: Place = { hundredths: 0, bytes: MIB };

/** All of the disk, in hundredths of a percent. */
export const WHOLE = 10_000;

/** The second copy of a GPT is in the last MiB. */
const END: Place = { hundredths: WHOLE, bytes: -MIB };

export interface DeclaredExtent {
  readonly size: string | null;
  readonly start: string | null;
  readonly end: string | null;
}

export const partitionSizeType: OptionType<string> = types.strMatching(
  /(?=.*[1-9])([0-9]+(\.[0-9]+)?[KMGTP](iB)?|[0-9]{1,2}(\.[0-9]{1,2})?%)|100%/,
  "a size such as 512M, a part of the disk such as 50%, or 100% for the rest",
);

/** `0` is what disko has where none is declared. */
export const startType: OptionType<string> = types.strMatching(
  /0|[0-9]{1,2}(\.[0-9]{1,2})?%|-?[0-9]+(\.[0-9]+)?[KMGTP](i?B)?/,
  "how far the partition begins from the start of the disk, such as 1M or 50%, or before its end (-1G), where the one before it ends",
);

export const endType: OptionType<string> = types.strMatching(
  /-0|100%|(?=.*[1-9])([0-9]{1,2}(\.[0-9]{1,2})?%|[+-]?[0-9]+(\.[0-9]+)?[KMGTP](i?B)?)/,
  "128M or 50% (from the start of the disk), +8G (a size), -10G (before the end of the disk), or -0 or 100% (that end)",
);

/** Whether it takes all that is left at its end of the disk. */
export function takesRest({ size, end }: { readonly size: string | null; readonly end: string | null }): boolean {
  return end === null ? size === "100%" : end === "-0" || end === "100%";
}

/**
 * @param previous where the partition before it ends; `null`: somewhere before the end of the disk
 * @param left what that leaves at the end of the disk
 * @throws UserError without a word about where it is declared
 */
export function extentOf({ size, start, end }: DeclaredExtent, previous: Place | null, left = 0): Extent {
  const leftThere = previous?.hundredths === WHOLE ? -previous.bytes : left;
  if (start?.startsWith("-") === true && parseAligned(start.slice(1)) !== leftThere) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it does not end there`, [
      `write end: ${JSON.stringify(start)} in that one, or remove start`,
    ]);
  }
  const begins = beginOf(start, previous);
  const from = begins ?? previous;
  const isPlaced = (from?.hundredths ?? 0) > 0;
  const fixed = { start: begins?.bytes ?? null, size: null, leaves: 0 };
  if (end === null && size === null)
    throw new UserError("neither size nor end is set", ['add size: "100%" for the rest of the disk']);
  if (takesRest({ size, end }) || end?.startsWith("-") === true) {
    const leaves = end === null || takesRest({ size, end }) ? 0 : parseAligned(end.slice(1));
    if (from === null || !isPlaced) return { ...fixed, leaves };
    if (isBehind(END, from)) return shareOf(from, { ...END, bytes: Math.min(-leaves, END.bytes) });
    throw new UserError("the partitions before it take the whole disk", ["make one of them smaller"]);
  }
  const length = end === null ? size : end.startsWith("+") ? end.slice(1) : null;
  if (length !== null && !length.endsWith("%") && !isPlaced) return { ...fixed, size: parseAligned(length) };
  if (from === null) {
    const [option, value] = end === null ? ["size", size] : ["end", end];
    throw new UserError(
      `${option} = ${JSON.stringify(value)}: the partition before it extends to the end of the disk`,
      ["write a size such as 10G instead"],
    );
  }
  const ends = length === null ? placeOf(end ?? "") : behind(from, placeOf(length));
  if (isBehind(ends, from))
    return isPlaced || ends.hundredths > 0 ? shareOf(from, ends) : { ...fixed, size: ends.bytes - from.bytes };
  throw new UserError(
    `end = ${JSON.stringify(end)}: the partition begins at ${formatPlace(from)}, so it would be empty`,
    [`end counts from the start of the disk; if you mean the size, write size: ${JSON.stringify(end)}`],
  );
}

/** Where the next partition begins; `null`: that depends on the disk, and is no part of it. */
export function endOf({ start, size, share }: Extent, previous: Place | null): Place | null {
  if (share !== undefined) return share.ends;
  const from = start === null ? previous : { hundredths: 0, bytes: start };
  return from === null || size === null ? null : behind(from, { hundredths: 0, bytes: size });
}

/** `null`: where the partition before it ends. */
function beginOf(start: string | null, previous: Place | null): Place | null {
  if (start === null || /^0(\.0+)?%?$/.test(start) || start.startsWith("-")) return null;
  const begins = placeOf(start);
  if (previous === null) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it extends to the end of the disk`, [
      "remove start",
    ]);
  }
  if (isBehind(previous, begins)) {
    throw new UserError(`start = ${JSON.stringify(start)}: the partition before it ends at ${formatPlace(previous)}`, [
      `remove start, or write at least ${formatPlace(previous)}; priority sets which partition comes first`,
    ]);
  }
  return begins;
}

function shareOf(begins: Place, ends: Place): Extent {
  return { start: null, size: null, leaves: 0, share: { begins, ends } };
}

/** `50%`, `128M` */
function placeOf(text: string): Place {
  return text.endsWith("%")
    ? { hundredths: Math.round(Number(text.slice(0, -1)) * 100), bytes: 0 }
    : { hundredths: 0, bytes: parseAligned(text) };
}

function behind(place: Place, length: Place): Place {
  return { hundredths: place.hundredths + length.hundredths, bytes: place.bytes + length.bytes };
}

/** As far as that can be told without the disk. */
function isBehind(place: Place, other: Place): boolean {
  return place.hundredths === other.hundredths ? place.bytes > other.bytes : place.hundredths > other.hundredths;
}

function formatPlace({ hundredths, bytes }: Place): string {
  const fixed = `${bytes / MIB}M`;
  if (hundredths === 0) return fixed;
  return bytes === 0 ? `${hundredths / 100}%` : `${hundredths / 100}% and ${fixed}`;
}
