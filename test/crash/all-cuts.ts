/** One scenario, recorded, and many cuts of its power. */
import { chooseCuts } from "./cuts.ts";
import { bootOn, type Commits, record } from "./power-cut.ts";
import { seeded } from "./random.ts";
import type { Scenario } from "./scenarios.ts";

/** Every fifth is looked at thoroughly. */
const THOROUGHLY = 5;

/**
 * @param script the wipe, by default the real one
 * @throws Error that names the cut and the seed, with what was lost as its cause
 */
export async function tryCuts(scenario: Scenario, commits: Commits, count: number, seed: number, script?: string) {
  const recording = await record(scenario, commits, script);
  const states = new Set<string>();
  const all = chooseCuts(recording, count, seeded(seed));
  const every = scenario.slow ? Math.ceil((6 * all.length) / count) : 1;
  const cuts = all.filter((_, index) => index % every === 0);
  for (const [index, cut] of cuts.entries()) {
    try {
      const thoroughly = index % THOROUGHLY === 0;
      const state = await bootOn(recording, cut, seeded(seed + index), thoroughly, script);
      if (thoroughly) states.add(state);
    } catch (cause) {
      const where = `cut ${index}, after ${cut.count} of ${recording.requests.length} requests, ${cut.leaves} of the unflushed left`;
      throw new Error(`${scenario.name}, committed ${commits}: ${where}; NIXFLEET_SEED=${seed}`, { cause });
    }
  }
  return { states, requests: recording.requests.length, cuts: cuts.length };
}
