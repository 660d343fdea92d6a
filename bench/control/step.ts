/** What one step of a rollout costs, with 100,000 machines and a long history in the database. */
import { decide } from "../../src/control/decide/decide.ts";
import type { MemberState } from "../../src/control/decide/state.ts";
import type { Database } from "../../src/control/store/database.ts";
import { loadRollout, openRollouts } from "../../src/control/store/engine.ts";
import { loadMembers } from "../../src/control/store/members.ts";
import type { BenchRow } from "../rows.ts";
import { MACHINES, ROLLOUT } from "./history.ts";

const MOMENT = { now: 150, awayAfter: 300 };
const WANTED = 50;

/** @param db is left with its rollout as it was */
export async function stepRows(db: Database): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  await db.updateTable("rollouts").set({ status: "running" }).where("id", "=", ROLLOUT).execute();
  for (const state of ["changing", "healthy", "waiting"] as const) {
    await everybody(db, state);
    let best = Number.POSITIVE_INFINITY;
    for (let times = 0; times < 5; times++) best = Math.min(best, await stepCosts(db));
    rows.push({
      what: `a step of a rollout, 10,000 machines ${state}, of ${MACHINES.toLocaleString("en")}`,
      measured: `${best.toFixed(0)} ms of CPU`,
      ratio: best / WANTED,
      wanted: `at most ${WANTED} ms`,
      holds: best <= WANTED,
    });
  }
  return rows;
}

/** In milliseconds. SQLite answers within this process. */
async function stepCosts(db: Database): Promise<number> {
  const before = process.cpuUsage();
  await openRollouts(db);
  const rollout = await loadRollout(db, ROLLOUT);
  decide(rollout, await loadMembers(db, rollout, MOMENT), MOMENT);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function everybody(db: Database, state: MemberState["kind"] & ("waiting" | "changing" | "healthy")) {
  const told =
    state === "waiting" ? { change: null, since: null, previous: null } : { change: 1, since: 100, previous: "" };
  await db
    .updateTable("members")
    .set({ state, ...told })
    .where("rollout", "=", ROLLOUT)
    .execute();
  await db
    .updateTable("machines")
    .set({ reported_change: state === "healthy" ? 1 : 0 })
    .execute();
}
