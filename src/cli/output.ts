/** What the command line prints, and how. */
import { UserError } from "../errors.ts";
import { withOwnNames } from "../local/package.ts";
import { visible, visibleJson, visibleLines } from "../visible.ts";

let documents = 0;

/** The one JSON document on stdout. */
export function printJson(value: unknown): void {
  documents += 1;
  process.stdout.write(`${visibleJson(JSON.stringify(value, null, 2))}\n`);
}

/** What went wrong, as the one document, unless a command has printed what it found wrong itself. */
export function printJsonError(error: unknown): void {
  if (documents > 0) return;
  const [message, detail] = error instanceof UserError ? [error.message, error.detail] : [String(error), []];
  printJson({ error: { message: shortPaths(message), detail: detail.map(shortPaths) } });
}

export function print(text: string): void {
  process.stdout.write(`${visibleLines(text)}\n`);
}

/** Messages and progress: anything that is not the answer. It appears above the status line. */
export function say(text: string): void {
  const shown = status;
  showStatus(null);
  process.stderr.write(`${visibleLines(text)}\n`);
  showStatus(shown);
}

let status: string | null = null;

/** The last line of the terminal, cut to its width; `null` takes it away. */
export function showStatus(text: string | null): void {
  if (text === null && status === null) return;
  status = text;
  const width = process.stderr.columns || 80; // a terminal may say 0
  const line = visible(text ?? "");
  // To the left, and erase to the right: ECMA-48's CR and EL.
  process.stderr.write(`\r\u001b[K${line.length < width ? line : `${line.slice(0, width - 2)}…`}`);
}

/** The reason in one line, then details. What nobody foresaw is told with its stack. */
export function printError(error: unknown): void {
  if (error instanceof UserError) say(shortPaths(`nixfleet: ${error.text}`));
  else if (error instanceof Error) say(`nixfleet: this is a bug: ${error.stack ?? error.message}`);
  else say(`nixfleet: this is a bug: ${String(error)}`);
}

/** Paths below the working folder as one would type them, and this project's own below `nixfleet/`. */
export function shortPaths(text: string): string {
  return shorten(withOwnNames(text), `${process.cwd()}/`, "");
}

/** Replaces a folder where it begins a path, not where it stands within one. */
function shorten(text: string, folder: string, name: string): string {
  return text.split(folder).reduce((before, after) => before + (/[\w.-]$/.test(before) ? folder : name) + after);
}

/** Rows under a header, each column as wide as its widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const [head = [], ...cells] = [header, ...rows].map((row) => row.map(visible));
  const widths = header.map((_, column) => Math.max(...[head, ...cells].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  const whole = [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)];
  const room = terminalWidth();
  return whole.every((one) => one.length <= room)
    ? whole.join("\n")
    : cells.map((row) => stacked(head, row)).join("\n");
}

/** A row on lines of its own, for a terminal that is narrower than the table. */
function stacked(head: readonly string[], [first = "", ...rest]: readonly string[]): string {
  const lines = rest.flatMap((cell, index) => (cell === "" ? [] : [`    ${head[index + 1]}: ${cell}`]));
  return [first, ...lines].join("\n");
}

/** Sentences on lines that fit. */
export function wrapped(text: string): string {
  const room = terminalWidth();
  let width = 0;
  let result = "";
  for (const word of text.split(" ")) {
    const fits = width + 1 + word.length <= room;
    if (result !== "") result += fits ? " " : "\n";
    width = fits && result !== "" ? width + 1 + word.length : word.length;
    result += word;
  }
  return result;
}

/** What is no terminal has room for all. */
function terminalWidth(): number {
  return process.stdout.isTTY && process.stdout.columns > 0 ? process.stdout.columns : Number.POSITIVE_INFINITY;
}
