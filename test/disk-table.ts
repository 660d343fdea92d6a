/** The table in docs/disks.md: each of its cells names the test file that has seen it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const PAGE = join(import.meta.dirname, "..", "docs", "disks.md");

/** A cell is a template and what is done with it: `ext4 format`, `btrfsBios BIOS`. */
export class DiskTable {
  readonly #ran = new Set<string>();
  readonly #file: string;

  /** @param file the test file: `import.meta.filename` */
  constructor(file: string) {
    this.#file = `${basename(dirname(file))}/${basename(file)}`;
  }

  /** It was done, and what came of it was right. */
  ran(template: string, column: string): void {
    this.#ran.add(`${template} ${column}`);
  }

  /** To be called at the end: the cells that name this file are those that ran in it. */
  check(): void {
    const claimed = diskTableCells().filter(({ file }) => file === this.#file);
    assert.deepEqual(
      claimed.map(({ cell }) => cell).sort(),
      [...this.#ran].sort(),
      `docs/disks.md, cells of ${this.#file}`,
    );
  }
}

/** Every cell with a test, as `vm/disks.test.ts`. */
export function diskTableCells(): { readonly cell: string; readonly file: string }[] {
  const [columns = [], ...rows] = tableLines();
  return rows.flatMap(([template = "", ...rest]) =>
    rest.flatMap((cell, index) => {
      const file = /\]\(\.\.\/test\/([^)]+)\)/.exec(cell)?.[1];
      return file === undefined ? [] : [{ cell: `${template} ${columns[index + 1] ?? ""}`, file }];
    }),
  );
}

/** The templates that have a row. */
export function diskTableRows(): readonly string[] {
  return tableLines()
    .slice(1)
    .map(([template = ""]) => template);
}

function tableLines(): readonly (readonly string[])[] {
  const [head = "", , ...rows] = (readFileSync(PAGE, "utf8").split("## What has been tried")[1] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("|"));
  return [head, ...rows].map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}
