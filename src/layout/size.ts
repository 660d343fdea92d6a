/** Sizes as people write them. */
import { UserError } from "../errors.ts";
import type { OptionType } from "../modules/option.ts";
import * as types from "../modules/types.ts";

/** The type of an option that is a size. */
export const sizeType: OptionType<string> = types.strMatching(
  /(?=.*[1-9])[0-9]+(\.[0-9]+)?[KMGTP](iB)?/,
  "a size such as 512M, 8G or 1.5T",
);

/** In bytes. */
export const MIB: number = 1024 ** 2;
export const GIB: number = 1024 ** 3;

/**
 * The bytes that a size such as `512M`, `8G`, `1.5GiB` or `4096` means. Units are powers of 1024, as in sfdisk and truncate.
 * @throws UserError when it is not a size, or not a whole number of bytes above 0
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:iB)?|B)?$/i.exec(text.trim());
  const bytes = Number(match?.[1] ?? Number.NaN) * 1024 ** exponent(match?.[2]);
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new UserError(`${JSON.stringify(text)} is not a size`, [
      "write a number above 0 and a unit, in powers of 1024: 512M, 8G, 1.5T; without a unit it counts bytes",
    ]);
  }
  return bytes;
}

/**
 * The bytes of a `sizeType`; of one with a decimal point, the whole MiB below: `0.3G` is no whole number of bytes. So of `500MB`,
 * which parted counts in powers of 1000.
 */
export function parseAligned(text: string): number {
  const [, number = "", unit, suffix] = /^([\d.]+)([KMGTP])(i?B)?$/.exec(text) ?? [];
  const bytes = Number(number) * (suffix === "B" ? 1000 : 1024) ** exponent(unit);
  return number.includes(".") || suffix === "B" ? Math.floor(bytes / MIB) * MIB : bytes;
}

/** Bytes for people, in the largest unit that shows them with at most one decimal: `512M`, `1.5G`. */
export function formatSize(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length);
  return `${Math.round((bytes / 1024 ** unit) * 10) / 10}${unit === 0 ? "B" : UNITS[unit - 1]}`;
}

const UNITS = ["K", "M", "G", "T", "P"];

function exponent(unit: string | undefined): number {
  return unit === undefined ? 0 : UNITS.indexOf(unit.toUpperCase()) + 1;
}
