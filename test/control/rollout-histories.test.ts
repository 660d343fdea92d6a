/** The rollout engine, in thousands of random histories: whatever happens, it does nothing that it must never do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Decision } from "../../src/control/decide/state.ts";
import { tolerated, waveGoal } from "../../src/control/decide/waves.ts";
import { BACK_FROM_MAINTENANCE, CAREFUL, type Event, history, REJECTED_MEANWHILE, rolloutOf } from "./histories.ts";
import { AWAY_AFTER, type Batch, closureOf, World } from "./world.ts";

test("whatever happens to a fleet, no rollout does what it must never do, and each one ends", () => {
  fc.assert(
    fc.property(history, ({ machines, plan, events }) => {
      const run = new Run(machines);
      run.world.create(
        rolloutOf(0, 0, plan),
        run.world.machines.map(({ name }) => name),
      );
      for (const event of events) run.happens(event);
      run.ends();
    }),
    { numRuns: 4000 },
  );
});

test("the end of a wave is void once a machine that it did not wait for is back from maintenance", () => {
  const run = new Run(2);
  run.world.create(rolloutOf(0, 0, CAREFUL), ["m0", "m1"]);
  for (const event of BACK_FROM_MAINTENANCE) run.happens(event);
  assert.equal(run.world.rollout("rollout 0").rollout.wave, 0);
  run.ends();
});

test("an order is void once its machine has rejected the release", () => {
  const run = new Run(1);
  run.world.create(rolloutOf(0, 0, CAREFUL), ["m0"]);
  for (const event of REJECTED_MEANWHILE) run.happens(event);
  run.ends();
  assert.equal(run.world.rollout("rollout 1").rollout.status, "paused");
});

class Run {
  readonly world: World;
  readonly stale: Batch[] = [];
  created = 1;

  constructor(machines: number) {
    this.world = new World(machines);
    for (const machine of this.world.machines) this.world.hear(this.world.say(machine));
  }

  happens(event: Event): void {
    const { world } = this;
    switch (event.kind) {
      case "passes":
      case "jumps": {
        const before = world.clock.steady;
        world.wall += event.seconds;
        world.tick();
        assert.ok(world.clock.steady >= before && world.clock.steady <= before + 60);
        break;
      }
      case "step":
        this.step(pick([...world.rollouts.keys()], event.rollout), event.killedAfter);
        break;
      case "decides":
        this.stale.push(world.batch(pick([...world.rollouts.keys()], event.rollout)));
        break;
      case "applies": {
        const batch = this.stale[event.batch % Math.max(this.stale.length, 1)];
        for (const decision of batch?.decisions ?? []) if (batch) this.apply(batch, decision);
        break;
      }
      case "polls":
        world.poll(pick(world.machines, event.machine), event.lost);
        break;
      case "acts":
        world.act(pick(world.machines, event.machine), event.how);
        break;
      case "boots":
        world.boot(pick(world.machines, event.machine));
        break;
      case "says": {
        const report = world.say(pick(world.machines, event.machine));
        if (event.delivered) world.hear(report);
        world.undelivered.push(report);
        break;
      }
      case "delivers": {
        const report = world.undelivered[event.report];
        if (report !== undefined) world.hear(report);
        break;
      }
      case "round":
        this.round(event.bad);
        break;
      case "lifecycle":
        world.setLifecycle(pick(world.machines, event.machine), event.to);
        break;
      case "command":
        world.command(pick([...world.rollouts.keys()], event.rollout), event.command);
        break;
      case "create": {
        const names = new Set(event.some.map((index) => pick(world.machines, index).name));
        if (world.create(rolloutOf(this.created, event.release, event.plan), [...names])) this.created += 1;
        break;
      }
    }
    this.holds();
  }

  /** Everybody does what a well machine does, but for one now and then. */
  round(bad: number, boots = false): void {
    const { world } = this;
    for (const [index, machine] of world.machines.entries()) {
      world.poll(machine, false);
      world.act(machine, index === bad ? "rejects" : "well");
      if (boots) {
        world.boot(machine);
        world.act(machine, "well");
      }
      world.hear(world.say(machine));
    }
    world.wall += 45;
    world.tick();
    for (const id of world.rollouts.keys()) this.step(id, 1000);
  }

  step(id: string, killedAfter: number): void {
    let left = killedAfter;
    for (let turns = 0; left > 0; turns++) {
      assert.ok(turns < 60, "it finds something to do for ever");
      const batch = this.world.batch(id);
      if (batch.decisions.length === 0) return;
      for (const decision of batch.decisions.slice(0, left))
        assert.ok(this.apply(batch, decision), "its own decision is void");
      left -= batch.decisions.length;
    }
  }

  apply(batch: Batch, decision: Decision): boolean {
    const { world } = this;
    const before = { ...world.rollout(batch.rollout).rollout };
    const members = world.members(batch.rollout);
    const applied = world.apply(batch, decision);
    if (!applied) return false;
    if (decision.kind === "rollout") {
      if (decision.wave > before.wave) this.waveEnded(before.id, decision.wave);
    } else if (decision.from === "installed") {
      assert.notEqual(decision.to.kind, "failed", "it fails for want of a boot");
    } else if (decision.order?.target.kind === "release") {
      const { machine } = members.find((one) => one.machine.name === decision.machine) ?? assert.fail();
      assert.ok(["running", "done"].includes(before.status), `it changes a machine while it is ${before.status}`);
      assert.equal(machine.lifecycle, "active");
      assert.ok(machine.lastSeen !== null && batch.at - machine.lastSeen <= AWAY_AFTER, "it changes one that is away");
      assert.ok(!machine.rejects, "it tries again what was rejected");
      assert.equal(decision.order.target.closure, closureOf(machine.name, before.release), "another machine's closure");
    } else if (decision.order?.target.kind === "return") {
      assert.equal(before.status, "reverting");
      const { state } = members.find((one) => one.machine.name === decision.machine) ?? assert.fail();
      assert.equal(
        decision.order.target.closure,
        "previous" in state ? state.previous : null,
        "it goes back to what it never ran",
      );
    }
    this.holds();
    return true;
  }

  /** Of the wave that just ended: nobody is under way, all have been healthy for long enough, and not too many failed. */
  waveEnded(id: string, wave: number): void {
    const { rollout } = this.world.rollout(id);
    const begun = this.world.members(id).filter(({ state }) => state.kind !== "waiting" && state.kind !== "left");
    assert.ok(
      begun.length >= waveGoal(rollout.waves, wave - 1, this.world.members(id).length),
      "it ends a wave before its time",
    );
    let failures = 0;
    for (const { state, machine, live } of begun) {
      if (state.kind === "changing" || state.kind === "installed")
        assert.ok(machine.lifecycle !== "active", "two waves at once");
      if (state.kind === "healthy" && live && machine.lifecycle === "active") {
        assert.ok(this.world.clock.steady - state.since >= rollout.soak, "it does not wait");
      }
      if ((state.kind === "failed" || state.kind === "rejected") && !state.forgiven) failures += 1;
    }
    assert.ok(
      failures <= tolerated(rollout.tolerate, this.world.members(id).length),
      "it goes on after too many failures",
    );
  }

  holds(): void {
    const { world } = this;
    const holders = new Map<string, number>();
    for (const [id, { rollout, members }] of world.rollouts) {
      let begun = 0;
      let underWay = 0;
      for (const [name, { state, live }] of members) {
        if (state.kind === "changing" || state.kind === "installed") underWay += 1;
        if (live) holders.set(name, (holders.get(name) ?? 0) + 1);
        if (["changing", "installed", "healthy", "failed"].includes(state.kind)) begun += 1;
        if (state.kind === "healthy") {
          assert.ok(world.truth.has(`${name} ${state.change}`), "healthy by a report from before its change");
        }
        if (state.kind === "reverted") assert.ok(rollout.status === "reverting" || rollout.status === "failed");
      }
      assert.ok(
        underWay <= waveGoal([rollout.atOnce], 0, members.size),
        `${id}: ${underWay} machines under way at a time, of ${rollout.atOnce}`,
      );
      const goal = waveGoal(rollout.waves, rollout.wave, members.size);
      assert.ok(begun <= goal, `${id}: ${begun} machines have begun in a wave of ${goal}`);
    }
    for (const [name, count] of holders) assert.equal(count, 1, `${count} rollouts have ${name} at a time`);
  }

  /** From here on everybody is well: each rollout comes to an end that is one. */
  ends(): void {
    const { world } = this;
    for (const machine of world.machines) machine.lifecycle = "active";
    // Patience, soak and the number of waves are all bounded, so the time is.
    for (let rounds = 0; rounds < 150; rounds++) this.round(-1, true);
    for (const { rollout, members } of world.rollouts.values()) {
      assert.ok(["done", "paused", "failed", "cancelled"].includes(rollout.status), `it is ${rollout.status} for ever`);
      for (const [name, { state, live }] of members) {
        assert.notEqual(state.kind, "reverting", `${name} is reverting for ever`);
        // Nobody follows what a cancelled rollout has begun.
        if (rollout.status !== "cancelled") {
          assert.ok(state.kind !== "changing" && state.kind !== "installed", `${name} is ${state.kind} for ever`);
        }
        if (rollout.status !== "paused") assert.ok(!live, `${name} is held by a rollout that is ${rollout.status}`);
        const { change, host } = world.machine(name);
        if (rollout.status !== "done" || state.kind !== "healthy" || change !== state.change) continue;
        // A host may have gone back by itself after the rollout was over.
        if (!host.rejects.has(rollout.release)) assert.equal(host.running, closureOf(name, rollout.release));
      }
    }
  }
}

function pick<T>(list: readonly T[], index: number): T {
  const found = list[index % list.length];
  assert.ok(found !== undefined);
  return found;
}
