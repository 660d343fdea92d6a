/** `npm run bench`: what is measured, each beside what it should be. Ratios, so that they mean the same on any machine. */
import { print, table } from "../src/cli/output.ts";
import { benchModules } from "./modules.ts";

export interface BenchRow {
  readonly what: string;
  readonly measured: string;
  /** What `wanted` speaks of. */
  readonly ratio: number;
  readonly wanted: string;
  readonly holds: boolean;
}

const rows = [...benchModules()];
print(
  table(
    ["what", "measured", "ratio", "wanted", ""],
    rows.map((row) => [row.what, row.measured, row.ratio.toFixed(2), row.wanted, row.holds ? "" : "NOT MET"]),
  ),
);
process.exitCode = rows.every((row) => row.holds) ? 0 : 1;
