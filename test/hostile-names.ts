/** Names that a person who may only choose a name would give a file, to be taken for something else where it is printed. */
export const HOSTILE_NAMES: readonly (readonly [what: string, name: Buffer])[] = [
  ["an escape sequence", Buffer.from("a\u001b[2J")],
  ["a title for the terminal", Buffer.from("a\u001b]0;title\u0007")],
  ["U+009B in UTF-8", Buffer.from("a\u009b31mred")],
  ["the byte 9B", Buffer.from([0x61, 0x9b, 0x33, 0x31, 0x6d])],
  ["a line of ours", Buffer.from("a\nnixfleet: all is well")],
  ["a carriage return", Buffer.from("a\rnixfleet: all is well")],
  ["the other direction", Buffer.from("a\u202egpj.exe\u2066\u200f")],
  ["nothing to see", Buffer.from("a\u200b\u00a0\u2028\ufeff\u{e0041}")],
  ["UTF-8 that ends early", Buffer.from([0x61, 0xe2, 0x80])],
  ["a character too long", Buffer.from([0x61, 0xc0, 0x9b, 0xe0, 0x82, 0x9b])],
  ["what another would be shown as", Buffer.from("a\\x1b[2J")],
  ["tabs and backspaces", Buffer.from("a\t\b\b\u007f")],
];

/** A character that a terminal, a line or a reader could take for something else. */
export const UNSEEN: RegExp = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\ufffd]|(?! )\p{Zs}/u;
