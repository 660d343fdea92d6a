/** Control planes are killed at any moment, again and again, and the rollout comes to its end as if they were not. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { waveGoal } from "../../src/control/decide/waves.ts";
import { type Database, openDatabase } from "../../src/control/store/database.ts";
import { loadRollout } from "../../src/control/store/engine.ts";
import { createMachine, fetchTarget, hear } from "../../src/control/store/machines.ts";
import { createRollout } from "../../src/control/store/rollouts.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { rolloutRequest } from "../../src/wire/rollout.ts";
import { postgresServer } from "./postgres.ts";
import { closureOf } from "./world.ts";

const AT = "2026-11-27T00:00:00.000Z";
const RELEASE = "1".repeat(64);
const NAMES = Array.from({ length: 16 }, (_, index) => `m${index}`);

test("SQLite: a control plane that is killed and started again goes on with its rollout", async () => {
  await using folder = await temporaryFolder("/dev/shm");
  await rollOut(join(folder.path, "fleet.db"), 1);
});

test("PostgreSQL: two control planes on one database, killed in turn, bring one rollout to its end", async () => {
  const server = await postgresServer();
  after(() => server[Symbol.asyncDispose]());
  await rollOut(await server.database(), 2);
});

async function rollOut(where: string, instances: number): Promise<void> {
  const db = await openDatabase(where);
  await fleet(db);
  const planes: ChildProcess[] = [];
  let [turns, kills, seen] = [0, 0, ""];
  const started = performance.now();
  try {
    for (;;) {
      while (planes.length < instances) planes.push(await controlPlane(where));
      if (await turn(db)) break;
      if (performance.now() - started > 300_000) assert.fail("the rollout does not end");
      turns += 1;
      // On a busy machine one that is killed before it has decided anything brings nothing to an end.
      const now = JSON.stringify(await states(db));
      if (turns % 3 !== 0 || now === seen) continue;
      seen = now;
      planes.splice(0, 1).forEach((plane) => void plane.kill("SIGKILL"));
      kills += 1;
    }
  } finally {
    for (const plane of planes) plane.kill("SIGKILL");
  }
  assert.ok(kills >= 2, `only ${kills} kills`);
  const machines = await db.selectFrom("machines").select(["change", "running", "name"]).execute();
  // Each was told once, and runs it.
  for (const { name, change, running } of machines) assert.deepEqual([change, running], [1, closureOf(name, "new")]);
  await db.destroy();
}

/** Every agent asks and says how it is. @returns whether the rollout is done */
async function turn(db: Database): Promise<boolean> {
  for (const name of NAMES) {
    const told = (await db.transaction().execute((change) => fetchTarget(change, name))) ?? assert.fail();
    const closure = told.target.kind === "release" ? told.target.closure : closureOf(name, "old");
    await say(db, name, told.change, closure);
  }
  // The members first: the control plane goes on between the two, and waves only become larger.
  const members = await states(db);
  const rollout = await loadRollout(db, "rollout");
  assert.ok(["pending", "running", "done"].includes(rollout.status), `${rollout.status}: ${rollout.why}`);
  const begun = members.filter(({ state }) => state !== "waiting").length;
  assert.ok(begun <= waveGoal(rollout.waves, rollout.wave, members.length), "two waves at once");
  return rollout.status === "done";
}

async function states(db: Database) {
  return await db.selectFrom("members").select(["machine", "state", "since"]).orderBy("machine").execute();
}

let sequence = 0;

async function say(db: Database, name: string, change: number, closure: string): Promise<void> {
  sequence += 1;
  const running = { closure, release: null, bootId: "c0ffee00-0000-4000-8000-000000000000", proved: true };
  const rest = { version: 1 as const, checks: [], drift: { undeclared: 0, stray: 0 }, agent: "0" };
  await db
    .transaction()
    .execute((tx) => hear(tx, name, { ...rest, sequence, change, outcome: { kind: "healthy" }, running }, AT));
}

async function fleet(db: Database): Promise<void> {
  await db.transaction().execute(async (change) => {
    const row = { id: RELEASE, sequence: 1, commit_id: null, created: AT, note: "" };
    await change.insertInto("releases").values(row).execute();
    for (const name of NAMES) {
      await createMachine(change, name, AT);
      const host = { release: RELEASE, machine: name, closure: closureOf(name, "new") };
      await change.insertInto("release_hosts").values(host).execute();
    }
    await change.updateTable("machines").set({ lifecycle: "active" }).execute();
  });
  for (const name of NAMES) await say(db, name, 0, closureOf(name, "old"));
  const waves = NAMES.map((_, index) => String(index + 1));
  const strategy = { kind: "staged", waves: waves.filter((_, index) => index % 2 === 0) };
  const request = rolloutRequest.parse({ version: 1, release: RELEASE, machines: { kind: "all" }, strategy });
  await db.transaction().execute((change) => createRollout(change, { id: "rollout", request, by: "test", at: AT }));
}

async function controlPlane(where: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, "stepping.ts");
  const plane = spawn(process.execPath, [program, where], { stdio: ["ignore", "pipe", "inherit"] });
  await once(plane.stdout, "data");
  return plane;
}
