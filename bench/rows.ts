/** What a benchmark says, and how it is printed. */
import { print, table } from "../src/cli/output.ts";

export interface BenchRow {
  readonly what: string;
  readonly measured: string;
  /** What `wanted` speaks of. */
  readonly ratio: number;
  readonly wanted: string;
  readonly holds: boolean;
}

/** Prints the rows; the process fails when one does not hold. */
export function report(rows: readonly BenchRow[]): void {
  print(
    table(
      ["what", "measured", "ratio", "wanted", ""],
      rows.map((row) => [row.what, row.measured, row.ratio.toFixed(2), row.wanted, row.holds ? "" : "NOT MET"]),
    ),
  );
  process.exitCode = rows.every((row) => row.holds) ? 0 : 1;
}
