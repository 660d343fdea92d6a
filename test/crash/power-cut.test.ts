/**
 * The real script on a real btrfs, its disk recorded; then boots that go on from what power cuts leave of it.
 * `NIXFLEET_SEED=N` repeats a run, `NIXFLEET_CUTS=N` sets how many points of each recording are tried.
 */
import { describe, test } from "node:test";
import { tryCuts } from "./all-cuts.ts";
import { COMMITS } from "./power-cut.ts";
import { SEED } from "./random.ts";
import { SCENARIOS } from "./scenarios.ts";

/** Of each of the recordings, or more where there are more flushes: more than 500 in all. */
const CUTS = Number(process.env.NIXFLEET_CUTS ?? 26);

// Two at a time: much of the time is spent waiting for commits.
describe("after a power cut the next boot succeeds and nothing is lost:", { concurrency: 2 }, () => {
  for (const scenario of SCENARIOS) {
    for (const commits of scenario.slow ? (["between operations"] as const) : COMMITS) {
      test(`${scenario.name}, committed ${commits}`, async (t) => {
        const { states, requests, cuts } = await tryCuts(scenario, commits, CUTS, SEED);
        t.diagnostic(`${cuts} of the points between ${requests} requests, among them: ${[...states].join(" | ")}`);
      });
    }
  }
});
