/** What the command line prints, and how. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../modules/errors.ts";

/** The folder of this project. */
export const PACKAGE_ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** One JSON document on stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Messages and progress: anything that is not the answer. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The reason in one line, then details. What nobody foresaw is told with its stack. */
export function printError(error: unknown): void {
  if (error instanceof UserError) say(shortPaths(`nixfleet: ${error.text}`));
  else if (error instanceof Error) say(`nixfleet: this is a bug: ${error.stack ?? error.message}`);
  else say(`nixfleet: this is a bug: ${String(error)}`);
}

/** Paths below the working folder as one would type them, and this project's own below `nixfleet/`. */
export function shortPaths(text: string): string {
  return shorten(shorten(text, `${process.cwd()}/`, ""), `${PACKAGE_ROOT}/`, "nixfleet/");
}

/** Replaces a folder where it begins a path, not where it stands within one. */
function shorten(text: string, folder: string, name: string): string {
  return text.split(folder).reduce((before, after) => before + (/[\w.-]$/.test(before) ? folder : name) + after);
}

/** Rows under a header, each column as wide as its widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
