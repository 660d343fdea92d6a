/** What one step of a rollout costs, with 100,000 machines in the database. `node bench/rollout.ts` runs it alone. */
import { join } from "node:path";
import { decide } from "../src/control/decide/decide.ts";
import type { MemberState } from "../src/control/decide/state.ts";
import { type Database, openDatabase } from "../src/control/store/database.ts";
import { loadRollout } from "../src/control/store/engine.ts";
import { loadMembers } from "../src/control/store/members.ts";
import { createRollout } from "../src/control/store/rollouts.ts";
import { temporaryFolder } from "../src/local/resources.ts";
import { rolloutRequest } from "../src/wire/rollout.ts";
import { type BenchRow, report } from "./rows.ts";

const MACHINES = 100_000;
/** Every tenth is in the rollout. */
const TAG = "web";
const RELEASE = "a".repeat(64);
const MOMENT = { now: 150, awayAfter: 300 };
const WANTED = 50;

export async function benchRollout(): Promise<readonly BenchRow[]> {
  await using folder = await temporaryFolder("/tmp");
  const db = await openDatabase(join(folder.path, "fleet.db"));
  try {
    await fill(db);
    const rows: BenchRow[] = [];
    for (const state of ["waiting", "changing", "healthy"] as const) {
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
  } finally {
    await db.destroy();
  }
}

/** In milliseconds. SQLite answers within this process. */
async function stepCosts(db: Database): Promise<number> {
  const before = process.cpuUsage();
  const rollout = await loadRollout(db, "rollout");
  decide(rollout, await loadMembers(db, rollout, MOMENT), MOMENT);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function fill(db: Database): Promise<void> {
  const release = { id: RELEASE, sequence: 1, commit_id: null, created: "2026-11-27T00:00:00.000Z", note: "" };
  await db.insertInto("releases").values(release).execute();
  const said = { outcome: JSON.stringify({ kind: "healthy" }), outcome_kind: "healthy", report: "{}" };
  const one = { lifecycle: "active", created: "", change: 0, fetched: 0, target: '{"kind":"keep"}', ...said } as const;
  for (let first = 0; first < MACHINES; first += 1000) {
    const names = Array.from({ length: 1000 }, (_, index) => `m${first + index}`);
    await db.transaction().execute(async (change) => {
      for (const name of names) {
        const running = `/nix/store/${"0".repeat(32)}-nixfleet-${name}`;
        await change
          .insertInto("machines")
          .values({ name, ...one, sequence: 1, last_seen: 100, seen_at: "", running, reported_change: 0 })
          .execute();
      }
      const closure = (machine: string) => `/nix/store/${"1".repeat(32)}-nixfleet-${machine}`;
      const hosts = names.map((machine) => ({ release: RELEASE, machine, closure: closure(machine) }));
      await change.insertInto("release_hosts").values(hosts).execute();
      const tagged = names.filter((name) => name.endsWith("0")).map((machine) => ({ machine, tag: TAG }));
      await change.insertInto("machine_tags").values(tagged).execute();
    });
  }
  const request = rolloutRequest.parse({
    version: 1,
    release: RELEASE,
    machines: { kind: "tagged", tags: [TAG] },
    strategy: { kind: "staged", waves: ["1%", "100%"] },
  });
  await db.transaction().execute((change) => createRollout(change, { id: "rollout", request, by: "", at: "" }));
  await db.updateTable("rollouts").set({ status: "running" }).execute();
}

async function everybody(db: Database, state: MemberState["kind"] & ("waiting" | "changing" | "healthy")) {
  const told = state === "waiting" ? {} : { change: 1, since: 100, previous: "" };
  await db
    .updateTable("members")
    .set({ state, ...told })
    .execute();
  if (state === "healthy") await db.updateTable("machines").set({ reported_change: 1 }).execute();
}

if (import.meta.main) report(await benchRollout());
