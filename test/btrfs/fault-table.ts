/** The table of faults in docs/wipe.md. `node test/btrfs/fault-table.ts` writes it there. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FAULTS } from "./faults.ts";

export const WIPE_PAGE: string = join(import.meta.dirname, "..", "..", "docs", "wipe.md");

/** The page with the table as the tests have it. */
export function withFaultTable(page: string): string {
  const rows = FAULTS.map(({ fault, happens }) => `| ${fault} | ${happens} |\n`).join("");
  const table = `| fault | what happens |\n| --- | --- |\n${rows}`;
  return page.replace(/^\| fault \| what happens \|\n(\|.*\n)*/m, () => table);
}

if (import.meta.main) writeFileSync(WIPE_PAGE, withFaultTable(readFileSync(WIPE_PAGE, "utf8")));
