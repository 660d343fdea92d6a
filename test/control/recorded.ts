/** The fleet in memory and the one in a database, side by side: whatever happens to one happens to the other. */
import assert from "node:assert/strict";
import { decide } from "../../src/control/decide/decide.ts";
import type { Decision } from "../../src/control/decide/state.ts";
import type { Database } from "../../src/control/store/database.ts";
import { applyDecisions, loadRollout } from "../../src/control/store/engine.ts";
import { createMachine, fetchTarget, hear, setLifecycle } from "../../src/control/store/machines.ts";
import { memberState } from "../../src/control/store/member-row.ts";
import { loadMembers } from "../../src/control/store/members.ts";
import { commandRollout, createRollout, Refused } from "../../src/control/store/rollouts.ts";
import { rolloutRequest } from "../../src/wire/rollout.ts";
import type { Event, Plan } from "./histories.ts";
import { rolloutOf } from "./histories.ts";
import {
  AWAY_AFTER,
  type Batch,
  closureOf,
  type Record as MachineRecord,
  membersOf,
  type Report,
  World,
} from "./world.ts";

const AT = "2026-11-27T00:00:00.000Z";

export class Recorded {
  readonly db: Database;
  readonly world: World;
  readonly #stale: Batch[] = [];
  #created = 0;

  constructor(db: Database, machines: number) {
    this.db = db;
    this.world = new World(machines);
  }

  /** Empties the database, and begins. */
  async begin(plan: Plan): Promise<void> {
    const { db, world } = this;
    for (const table of ["rollouts", "machines", "releases", "events"] as const) await db.deleteFrom(table).execute();
    await db.updateTable("clock").set({ steady: 0, wall: world.wall, change_floor: 0 }).execute();
    await db.transaction().execute(async (change) => {
      for (const { name } of world.machines) await createMachine(change, name, AT);
      await change.updateTable("machines").set({ lifecycle: "active" }).execute();
      for (const release of ["0", "1", "2"]) {
        const id = release.repeat(64);
        const row = { id, sequence: Number(release), commit_id: null, created: AT, note: "" };
        await change.insertInto("releases").values(row).execute();
        const hosts = world.machines.map(({ name }) => ({ release: id, machine: name, closure: closureOf(name, id) }));
        await change.insertInto("release_hosts").values(hosts).execute();
      }
    });
    for (const machine of world.machines) await this.#say(machine, true);
    await this.#create(
      0,
      plan,
      world.machines.map(({ name }) => name),
    );
  }

  async happens(event: Event): Promise<void> {
    const { world, db } = this;
    switch (event.kind) {
      case "passes":
      case "jumps":
        world.wall += event.seconds;
        world.tick();
        await db.updateTable("clock").set(world.clock).execute();
        break;
      case "step":
        await this.#step(this.#rollout(event.rollout), event.killedAfter);
        break;
      case "decides":
        this.#stale.push(world.batch(this.#rollout(event.rollout)));
        break;
      case "applies": {
        const batch = this.#stale[event.batch % Math.max(this.#stale.length, 1)];
        for (const decision of batch?.decisions ?? []) if (batch) await this.#apply(batch, decision);
        break;
      }
      case "polls":
        await this.#poll(at(world.machines, event.machine), event.lost);
        break;
      case "acts":
        world.act(at(world.machines, event.machine), event.how);
        break;
      case "boots":
        world.boot(at(world.machines, event.machine));
        break;
      case "says":
        await this.#say(at(world.machines, event.machine), event.delivered);
        break;
      case "delivers": {
        const report = world.undelivered[event.report];
        if (report !== undefined) await this.#hear(report);
        break;
      }
      case "round":
        for (const [index, machine] of world.machines.entries()) {
          await this.#poll(machine, false);
          world.act(machine, index === event.bad ? "rejects" : "well");
          await this.#say(machine, true);
        }
        for (const id of world.rollouts.keys()) await this.#step(id, 1000);
        break;
      case "lifecycle": {
        const { name } = at(world.machines, event.machine);
        const { lifecycle: from } = world.machine(name);
        world.setLifecycle(world.machine(name), event.to);
        await db.transaction().execute((change) => setLifecycle(change, name, from, event.to));
        break;
      }
      case "command": {
        const id = this.#rollout(event.rollout);
        world.command(id, event.command);
        await unlessRefused(() => db.transaction().execute((change) => commandRollout(change, id, event.command)));
        break;
      }
      case "create":
        await this.#create(event.release, event.plan, [
          ...new Set(event.some.map((index) => at(world.machines, index).name)),
        ]);
        break;
    }
    await this.agrees();
  }

  async agrees(): Promise<void> {
    for (const id of this.world.rollouts.keys()) {
      const kept = await loadRollout(this.db, id);
      const { why: _, ...wanted } = this.world.rollout(id).rollout;
      const { why: __, ...found } = kept;
      assert.deepEqual(found, wanted);
      const all = this.world.members(id).map(({ machine, ...rest }) => {
        const { name, lifecycle, change, fetched, lastSeen, running, reported, rejects, held } = machine;
        return { ...rest, machine: { name, lifecycle, change, fetched, lastSeen, running, reported, rejects, held } };
      });
      const rows = await this.db.selectFrom("members").selectAll().where("rollout", "=", id).execute();
      assert.deepEqual(
        new Map(rows.map((row) => [row.machine, [row.closure, memberState(row), row.live === 1]])),
        new Map(all.map(({ machine, closure, state, live }) => [machine.name, [closure, state, live]])),
      );
      const moment = { now: this.world.clock.steady, awayAfter: AWAY_AFTER };
      const whole = membersOf(all, kept, moment);
      const members = await loadMembers(this.db, kept, moment);
      assert.deepEqual({ ...members, concerned: [] }, { ...whole, concerned: [] });
      const byName = new Map(all.map((one) => [one.machine.name, one]));
      for (const one of members.concerned) assert.deepEqual(one, byName.get(one.machine.name));
      // Whom the database leaves out has nothing to do.
      assert.deepEqual(sorted(decide(kept, members, moment)), sorted(decide(kept, whole, moment)));
    }
  }

  #rollout(index: number): string {
    return at([...this.world.rollouts.keys()], index);
  }

  async #step(id: string, killedAfter: number): Promise<void> {
    for (let left = killedAfter; left > 0; ) {
      const batch = this.world.batch(id);
      if (batch.decisions.length === 0) return;
      for (const decision of batch.decisions.slice(0, left)) await this.#apply(batch, decision);
      left -= batch.decisions.length;
    }
  }

  async #apply(batch: Batch, decision: Decision): Promise<void> {
    const rollout = { ...this.world.rollout(batch.rollout).rollout, version: batch.version };
    const applied = this.world.apply(batch, decision);
    assert.equal(await applyDecisions(this.db, rollout, [decision], AT, async () => true), applied);
  }

  async #poll(machine: MachineRecord, lost: boolean): Promise<void> {
    const { change, target } = machine;
    this.world.poll(machine, lost);
    assert.deepEqual(await this.db.transaction().execute((tx) => fetchTarget(tx, machine.name)), { change, target });
  }

  async #say(machine: MachineRecord, delivered: boolean): Promise<void> {
    const report = this.world.say(machine);
    if (delivered) await this.#hear(report);
    this.world.undelivered.push(report);
  }

  async #hear(report: Report): Promise<void> {
    const { sequence, change, outcome, running } = report;
    this.world.hear(report);
    const rest = { version: 1 as const, checks: [], drift: { undeclared: 0, stray: 0 }, agent: "0" };
    const runs = { closure: running, release: null, bootId: "c0ffee00-0000-4000-8000-000000000000", proved: true };
    const kept = { ...rest, sequence, change, outcome, running: runs };
    await this.db.transaction().execute((tx) => hear(tx, report.machine, kept, AT));
  }

  async #create(release: number, plan: Plan, names: readonly string[]): Promise<void> {
    const rollout = rolloutOf(this.#created, release, plan);
    const alive = names.filter((name) => this.world.machine(name).lifecycle !== "decommissioned");
    const created = alive.length === names.length && this.world.create(rollout, names);
    const request = rolloutRequest.parse({
      version: 1,
      release: rollout.release,
      machines: { kind: "named", names },
      ...plan,
    });
    const kept = await unlessRefused(() =>
      this.db.transaction().execute((change) => createRollout(change, { id: rollout.id, request, by: "test", at: AT })),
    );
    assert.equal(kept, created);
    if (created) this.#created += 1;
  }
}

function sorted(decisions: readonly Decision[]): readonly Decision[] {
  const key = (decision: Decision) => (decision.kind === "member" ? decision.machine : "");
  return decisions.toSorted((one, other) => (key(one) < key(other) ? -1 : 1));
}

async function unlessRefused(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length];
  assert.ok(found !== undefined);
  return found;
}
