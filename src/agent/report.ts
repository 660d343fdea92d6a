/** What the agent says of its host, from what it remembers and how the host is. */
import { PACKAGE } from "../local/package.ts";
import { CommandError, run } from "../local/process.ts";
import { WIRE_VERSION } from "../wire/names.ts";
import type { Outcome, Report } from "../wire/report.ts";
import type { Counts } from "./checks.ts";
import type { Facts, Step } from "./decide.ts";
import type { AgentState } from "./state.ts";

/** @param told what the change does to persisted data */
export async function reportOf(
  state: AgentState,
  facts: Facts,
  counts: Counts,
  drift: Report["drift"],
  step: Step,
  tags: readonly string[],
  told: readonly string[],
): Promise<Report> {
  return {
    version: WIRE_VERSION,
    sequence: state.report,
    change: state.work?.change ?? state.change,
    outcome: outcomeOf(state, facts, step, told),
    running: {
      closure: facts.running,
      release: state.release,
      bootId: facts.bootId,
      proved: facts.running === facts.booted && (await isProved()),
    },
    checks: Object.entries(counts.checks)
      .slice(0, 100)
      .map(([name, { passes, says }]) => ({ name, passes, says: says.slice(0, 300) })),
    drift,
    // A control plane from before tags were declared refuses the word.
    ...(tags.length === 0 ? {} : { tags: [...tags] }),
    agent: PACKAGE.version,
  };
}

function outcomeOf({ work, end }: AgentState, { bootId }: Facts, step: Step, told: readonly string[]): Outcome {
  if (work === null) return end;
  if (work.phase === "installed" && work.bootId === bootId) return { kind: "installed" };
  const doing = step.kind === "wait" ? `${work.phase}: ${step.why}` : work.phase;
  return { kind: "working", doing: [doing, ...told].join("; ").slice(0, 200) };
}

/** It has come up as a generation has to. */
async function isProved(): Promise<boolean> {
  try {
    await run("systemctl", ["is-active", "--quiet", "boot-complete.target"]);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}
