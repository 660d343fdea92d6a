/** Modes as people write them: octal, or symbolic as chmod(1) takes them. */

/**
 * A mode in four octal digits. A symbolic one changes `base`, as chmod would where that is the mode that is there.
 * @param written as the options of entries take it
 */
export function octalMode(written: string, base: number): string {
  if (/^[0-7]+$/.test(written)) return written.padStart(4, "0");
  return written.split(",").reduce(changed, base).toString(8).padStart(4, "0");
}

/** Which bits a letter may speak of. */
const BITS: ReadonlyMap<string, number> = new Map([
  ["u", 0o4700],
  ["g", 0o2070],
  ["o", 0o1007],
  ["r", 0o444],
  ["w", 0o222],
  ["x", 0o111],
  ["s", 0o6000],
  ["t", 0o1000],
]);

/** One clause such as `go-w`; without a class it is for all. */
function changed(mode: number, clause: string): number {
  const [, letters = "", changes = ""] = /^([ugoa]*)(.*)$/.exec(clause) ?? [];
  const classes = letters === "" || letters.includes("a") ? "ugo" : letters;
  const mask = bitsOf(classes);
  return [...changes.matchAll(/([-+=])([rwxst]*)/g)].reduce((now, [, operator, permissions = ""]) => {
    const bits = mask & bitsOf(permissions);
    if (operator === "+") return now | bits;
    return operator === "-" ? now & ~bits : (now & ~mask) | bits;
  }, mode);
}

function bitsOf(letters: string): number {
  return [...letters].reduce((sum, letter) => sum | (BITS.get(letter) ?? 0), 0);
}
