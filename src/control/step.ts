/** One turn of whoever runs the rollouts: each is decided, and decided again, until nothing is left to do in this moment. */
import { decide } from "./decide/decide.ts";
import type { Database } from "./store/database.ts";
import { applyDecisions, loadRollout, openRollouts } from "./store/engine.ts";
import type { Leader } from "./store/leader.ts";
import { loadMembers } from "./store/members.ts";
import { countEnded } from "./store/rollout-counts.ts";

/** How often a rollout is decided in one turn at most: its waves, and a few. Whatever is left comes in the next turn. */
const TURNS = 40;

export interface StepOptions {
  /** Seconds after which a machine that says nothing is away. */
  readonly awayAfter: number;
  /** What the clock of this computer says, in seconds. */
  readonly wall: number;
  /** A watch that only goes on, in milliseconds. */
  readonly watch: number;
}

/** @returns whether this instance runs the rollouts */
export async function step(db: Database, leader: Leader, { awayAfter, wall, watch }: StepOptions): Promise<boolean> {
  const now = await leader.lead(wall, watch);
  if (now === null) return false;
  const at = new Date(wall * 1000).toISOString();
  for (const id of await openRollouts(db)) {
    for (let turn = 0; turn < TURNS; turn++) {
      const rollout = await loadRollout(db, id);
      const moment = { now, awayAfter };
      const decisions = decide(rollout, await loadMembers(db, rollout, moment), moment);
      if (decisions.length === 0) break;
      await applyDecisions(db, rollout, decisions, at, (change) => leader.holds(change));
    }
  }
  await countEnded(db);
  return true;
}
