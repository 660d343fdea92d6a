/** What the scripts on hosts have recorded. */
import { readReport } from "../src/payload/reports.ts";

export interface ActivationReport {
  readonly outcome: string;
  readonly closure: string | null;
  readonly problems: readonly string[];
  readonly differences: readonly string[];
  readonly carried: readonly string[];
}

export function activationReport(text: string): ActivationReport {
  const of = readReport(text);
  const { outcome, closure } = { outcome: of("outcome")[0] ?? "", closure: of("closure")[0] ?? null };
  return { outcome, closure, problems: of("problems"), differences: of("differences"), carried: of("carried") };
}

export interface PruneReport {
  readonly outcome: string;
  readonly reason: string | null;
  readonly pruned: readonly string[];
  readonly early: readonly string[];
  readonly left: readonly string[];
  readonly short: string | null;
}

export function pruneReport(text: string): PruneReport {
  const of = readReport(text);
  return {
    outcome: of("outcome")[0] ?? "",
    reason: of("reason")[0] ?? null,
    pruned: of("pruned"),
    early: of("early"),
    left: of("left"),
    short: of("short")[0] ?? null,
  };
}
