/** Reports of the scripts on hosts: lines of NAME=value, for a list one a value, and `end`. */
import { UserError } from "../errors.ts";

/** What a report says of a name. */
export type Report = (name: string) => readonly string[];

/** @throws UserError where it is not complete */
export function readReport(text: string): Report {
  const lines = text.split("\n");
  if (lines.at(-2) !== "end") throw new UserError("the report is incomplete");
  return (name) => lines.flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
}

export interface WipeReport {
  readonly outcome: string;
  readonly reason: string | null;
  readonly steps: readonly { readonly name: string; readonly milliseconds: number }[];
  readonly retired: string | null;
  readonly pruned: readonly string[];
  readonly created: string | null;
  readonly closure: string | null;
}

export function wipeReport(text: string): WipeReport {
  const of = readReport(text);
  const value = (name: string) => of(name)[0] ?? null;
  return {
    outcome: value("outcome") ?? "",
    reason: value("reason"),
    steps: of("steps").map((line) => {
      const [name = "", milliseconds = ""] = line.split(" ");
      return { name, milliseconds: Number(milliseconds) };
    }),
    retired: value("retired"),
    pruned: of("pruned"),
    created: value("created"),
    closure: value("closure"),
  };
}
