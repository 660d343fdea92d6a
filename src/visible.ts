/** Text that others have named something in, as it can be printed: it changes neither the terminal nor the lines. */

/** One line, with `\n` for a line break and the bytes of what else nobody would see: `\x1b`. */
export function visible(text: string): string {
  return replaceUnseen(text, (character) => (character === "\n" ? "\\n" : escapedBytes(character)));
}

/** The same of a name, which then looks like no other: of one that holds a backslash, it is two. */
export function visibleName(name: string): string {
  return visible(name.replaceAll("\\", "\\\\"));
}

/** Lines that belong together; what else nobody would see is shown. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A JSON text of the same value, with escapes for such characters. Line breaks are only between its values. */
export function visibleJson(json: string): string {
  return replaceUnseen(json, (character) => (character === "\n" ? character : escapedUnits(character)));
}

/**
 * What has no look of its own, by code points: controls, blanks but the usual one, what turns the direction of writing or
 * is ignored by who draws it, and what somebody privately agreed on. src/payload/initrd/report.sh has the same, in bytes.
 */
const UNSEEN: readonly (readonly [from: number, to: number])[] = [
  [0x00, 0x1f],
  [0x7f, 0xa0],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x1680, 0x1680],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x2000, 0x200f],
  [0x2028, 0x202f],
  [0x205f, 0x206f],
  [0x2800, 0x2800],
  [0x3000, 0x3000],
  [0x3164, 0x3164],
  [0xd800, 0xf8ff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xffff],
  [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a],
  [0x40000, 0x10ffff],
];

function replaceUnseen(text: string, replacement: (character: string) => string): string {
  if (/^[ -~]*$/.test(text)) return text;
  return Array.from(text, (character) => (isUnseen(character) ? replacement(character) : character)).join("");
}

function isUnseen(character: string): boolean {
  const point = character.codePointAt(0) ?? 0;
  return UNSEEN.some(([from, to]) => point >= from && point <= to);
}

function escapedBytes(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\x${hexadecimal(byte, 2)}`).join("");
}

function escapedUnits(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${hexadecimal(unit, 4)}`).join("");
}

function hexadecimal(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}
