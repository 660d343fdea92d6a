/** Rollouts, one promise at a time; test/control/rollout-histories.test.ts does the same in random histories. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { tick } from "../../src/control/decide/clock.ts";
import { place, tolerated, waveGoal, wavesOf } from "../../src/control/decide/waves.ts";
import { rolloutOf } from "../control/histories.ts";
import { World } from "../control/world.ts";

const WHOLE = { strategy: { kind: "all-at-once" }, atOnce: "100%", tolerate: "0", soak: 0 } as const;
const PLAN = { ...WHOLE, onFailure: "pause", apply: "live" } as const;

function fleet(count: number, more: Partial<Parameters<typeof rolloutOf>[2]> = {}) {
  const world = new World(count);
  for (const machine of world.machines) world.hear(world.say(machine));
  const names = world.machines.map(({ name }) => name);
  world.create(rolloutOf(0, 0, { ...PLAN, ...more }), names);
  const step = () => {
    for (let turns = 0; ; turns++) {
      assert.ok(turns < 50, "it finds something to do for ever");
      const batch = world.batch("rollout 0");
      if (batch.decisions.length === 0) return;
      for (const decision of batch.decisions) world.apply(batch, decision);
    }
  };
  const states = () => [...world.rollout("rollout 0").members.values()].map(({ state }) => state.kind);
  const status = () => world.rollout("rollout 0").rollout.status;
  const pass = (seconds: number) => {
    for (let left = seconds; left > 0; left -= 60) {
      world.wall += Math.min(left, 60);
      world.tick();
    }
  };
  step();
  return { world, step, states, status, pass, machine: world.machine("m0") };
}

test("no more machines are under way at a time than may be; the next begins when one is done", () => {
  const { world, step, states } = fleet(5, { atOnce: "25%" });
  const underWay = () => states().filter((kind) => kind === "changing").length;
  assert.equal(underWay(), 2);
  const [first = assert.fail()] = world.machines.filter((one) => one.change > 0);
  world.poll(first, false);
  world.act(first, "well");
  world.hear(world.say(first));
  step();
  assert.deepEqual([underWay(), states().filter((kind) => kind === "healthy").length], [2, 1]);
  // Who is in maintenance is not waited for, and may be down: nobody takes its place.
  for (const machine of world.machines) if (machine.change > 0) world.setLifecycle(machine, "maintenance");
  step();
  assert.equal(underWay(), 2);
});

test("a machine that says it is healthy, and runs another closure than it should, is not", () => {
  const { world, step, states, machine } = fleet(1);
  world.poll(machine, false);
  machine.host.outcome = { kind: "healthy" };
  world.hear(world.say(machine));
  step();
  assert.deepEqual(states(), ["changing"]);
});

test("a machine that went away before it knew of its change is caught up with later, and stops nobody", () => {
  const { world, step, states, status, pass, machine } = fleet(2);
  const other = world.machine("m1");
  for (const turn of [1, 2]) {
    world.poll(other, false);
    world.act(other, "well");
    world.hear(world.say(other));
    pass(turn * 1800);
    step();
  }
  assert.deepEqual([states(), status(), machine.target], [["waiting", "healthy"], "done", { kind: "keep" }]);
  world.hear(world.say(machine));
  step();
  world.poll(machine, false);
  world.act(machine, "well");
  world.hear(world.say(machine));
  step();
  assert.deepEqual([states(), status()], [["healthy", "healthy"], "done"]);
});

test("a machine that took its change and fell silent has failed, when the rollout's patience ends and no sooner", () => {
  const { world, step, states, status, pass, machine } = fleet(1);
  world.poll(machine, false);
  pass(1799);
  step();
  assert.deepEqual(states(), ["changing"]);
  pass(1);
  step();
  assert.deepEqual([states(), status()], [["failed"], "paused"]);
  assert.match(world.rollout("rollout 0").rollout.why, /^m0: it took the change and has said nothing of it since$/);
});

test("a control plane that was down for a week, or whose clock jumps, finds no machine late", () => {
  const { world, step, states, machine } = fleet(1);
  world.poll(machine, false);
  for (const jump of [7 * 86_400, -86_400, 30 * 86_400]) {
    world.wall += jump;
    world.tick();
    step();
    assert.deepEqual(states(), ["changing"]);
  }
});

test("pause holds back what no agent has seen yet, and resume goes on", () => {
  const { world, step, states, machine } = fleet(2);
  world.poll(machine, false);
  world.command("rollout 0", "pause");
  step();
  assert.deepEqual(states(), ["changing", "waiting"]);
  assert.deepEqual(world.machine("m1").target, { kind: "keep" });
  world.command("rollout 0", "resume");
  step();
  assert.deepEqual(states(), ["changing", "changing"]);
});

/** One machine of two has the release as its next generation, and has said so. */
function installed() {
  const given = fleet(2, { strategy: { kind: "canary" }, apply: "next-boot" });
  const machine = given.world.machines.find(({ change }) => change === 1) ?? assert.fail();
  const says = () => {
    for (const one of given.world.machines) given.world.hear(given.world.say(one));
    given.step();
  };
  given.world.poll(machine, false);
  given.world.act(machine, "well");
  says();
  const state = () => given.world.rollout("rollout 0").members.get(machine.name)?.state.kind;
  assert.equal(state(), "installed");
  return { ...given, machine, says, state };
}

test("a machine that waits for its next boot is never late, and its wave waits for it; once it boots its patience counts", () => {
  const { world, step, status, pass, states, machine, says, state } = installed();
  for (let days = 0; days < 3; days++) {
    pass(86_400);
    step();
    says();
    assert.deepEqual([states().sort(), status()], [["installed", "waiting"], "running"]);
  }
  world.boot(machine);
  says();
  assert.equal(state(), "changing");
  pass(1799);
  step();
  assert.equal(state(), "changing");
  world.act(machine, "well");
  says();
  assert.deepEqual(states().sort(), ["changing", "healthy"]);
});

test("a machine that has booted and does not prove itself fails when the rollout's patience ends, or when it says that it went back", () => {
  for (const goesBack of [false, true]) {
    const { world, step, status, pass, machine, says, state } = installed();
    pass(86_400);
    world.boot(machine);
    if (goesBack) world.act(machine, "rejects");
    says();
    if (!goesBack) pass(1800);
    step();
    assert.deepEqual([state(), status()], [goesBack ? "rejected" : "failed", "paused"]);
  }
});

test("a machine that was installed anew waits for no boot of before", () => {
  const { step, pass, machine, says, state } = installed();
  machine.host.change = 0;
  machine.host.outcome = { kind: "healthy" };
  says();
  assert.equal(state(), "changing");
  pass(1800);
  step();
  assert.equal(state(), "failed");
});

test("what waits for a boot stays in a pause, stays when the rollout is cancelled, and is taken back when it is reverted", () => {
  const { world, step, status, machine, says, state } = installed();
  world.command("rollout 0", "pause");
  step();
  assert.deepEqual([state(), machine.target.kind], ["installed", "release"]);
  world.command("rollout 0", "cancel");
  step();
  assert.deepEqual([state(), machine.target.kind], ["installed", "release"]);
  world.command("rollout 0", "revert");
  step();
  assert.deepEqual([state(), machine.target], ["reverting", { kind: "return", closure: machine.host.running }]);
  world.poll(machine, false);
  world.act(machine, "well");
  says();
  assert.deepEqual([state(), status()], ["reverted", "failed"]);
});

test("a machine in maintenance that waits for its next boot is not waited for, and counts when it boots", () => {
  const { world, step, status, machine, says, state } = installed();
  const other = world.machines.find((one) => one !== machine) ?? assert.fail();
  world.setLifecycle(machine, "maintenance");
  step();
  world.poll(other, false);
  for (const does of [() => world.act(other, "well"), () => world.boot(other), () => world.act(other, "well")]) {
    does();
    world.hear(world.say(other));
    step();
  }
  assert.deepEqual([state(), status()], ["installed", "done"]);
  world.setLifecycle(machine, "active");
  world.boot(machine);
  world.act(machine, "well");
  says();
  assert.deepEqual([state(), status()], ["healthy", "done"]);
});

test("a healthy machine that becomes unhealthy while the wave is soaked stops the rollout", () => {
  const { world, step, states, status, machine } = fleet(3, { strategy: { kind: "canary" }, soak: 600 });
  const canary = world.machines.find(({ change }) => change === 1) ?? machine;
  for (const how of ["well", "breaks"] as const) {
    world.poll(canary, false);
    world.act(canary, how);
    world.hear(world.say(canary));
    step();
  }
  assert.deepEqual([states().sort(), status()], [["failed", "waiting", "waiting"], "paused"]);
});

test("a release that failed is taken from each machine that has it, which goes back to what it ran before", () => {
  const { world, step, status } = fleet(4, { onFailure: "revert" });
  const before = world.machines.map(({ host }) => host.running);
  for (const [index, machine] of world.machines.entries()) {
    world.poll(machine, false);
    world.act(machine, index === 3 ? "rejects" : "well");
    world.hear(world.say(machine));
  }
  step();
  assert.equal(status(), "reverting");
  for (const machine of world.machines) {
    world.poll(machine, false);
    world.act(machine, "well");
    world.hear(world.say(machine));
  }
  step();
  assert.equal(status(), "failed");
  assert.equal(world.rollout("rollout 0").rollout.why, "3 machines went back: m3: does not work here");
  assert.deepEqual(
    world.machines.map(({ host }) => host.running),
    before,
  );
});

test("tolerated failures do not carry a rollout on where nobody is healthy", () => {
  const { world, step, status } = fleet(5, { strategy: { kind: "canary" }, tolerate: "2" });
  const canary = world.machines.find(({ change }) => change === 1) ?? assert.fail();
  world.poll(canary, false);
  world.act(canary, "rejects");
  world.hear(world.say(canary));
  step();
  assert.equal(status(), "paused");
});

test("waves: at least one machine each, never fewer than before, and all of them at last", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((wave) => waveGoal(["1", "10%", "50%", "100%"], wave, 25)),
    [1, 3, 13, 25],
  );
  assert.deepEqual(wavesOf({ kind: "staged", waves: ["5"] }), ["5", "100%"]);
  assert.equal(waveGoal(["0%"], 0, 10), 1);
  assert.equal(waveGoal(["7%"], 0, 100), 7);
  assert.equal(tolerated("7%", 10), 0);
  const amount = fc.oneof(
    fc.nat(200).map(String),
    fc.nat(100).map((part) => `${part}%`),
  );
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1 }), fc.integer({ min: 1, max: 500 }), (waves, all) => {
      const goals = wavesOf({ kind: "staged", waves }).map((_, wave, given) => waveGoal(given, wave, all));
      assert.deepEqual(
        goals,
        goals.toSorted((one, other) => one - other),
      );
      assert.ok(goals.every((goal) => goal >= 1) && goals.at(-1) === all);
    }),
  );
});

test("the order is another one in each release, so nobody is always first", () => {
  const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
  const firsts = Array.from({ length: 100 }, (_, release) =>
    names.toSorted((one, other) => (place(one, String(release)) < place(other, String(release)) ? -1 : 1)).at(0),
  );
  assert.ok(new Set(firsts).size >= 15);
});

test("the steady clock never goes back, and passes at most a minute at once", () => {
  let clock = { steady: 0, wall: 1000 };
  for (const [wall, steady] of [
    [1030, 30],
    [900, 30],
    [910, 40],
    [999_999, 100],
    [0, 100],
    [59, 159],
  ] as const) {
    clock = tick(clock, wall);
    assert.equal(clock.steady, steady);
  }
});
