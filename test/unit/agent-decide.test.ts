/** The agent's decisions, on hosts that a property plays: power cuts, agents that are killed, releases that are broken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  afterStep,
  type Checks,
  type Desired,
  decide,
  type Facts,
  MOST_ATTEMPTS,
  type Step,
} from "../../src/agent/decide.ts";
import { type AgentState, firstState, stateSchema } from "../../src/agent/state.ts";

const id = (n: number) => n.toString(16).padStart(64, "0");
const closure = (n: number) => `/nix/store/${n.toString().padStart(32, "0")}-nixfleet-web1`;
const boot = (n: number) => `c0ffee00-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

/** What a release does to the host that it comes to. */
type Quality = "good" | "failing" | "unreachable" | "hangs";

/** A host as the scripts make it: a switch goes back by itself, and so does a boot that is not proved. */
class World {
  state: AgentState = firstState("web1");
  boots = 1;
  booted = closure(0);
  running = closure(0);
  generations: string[] = [closure(0)];
  readonly good = new Set([closure(0)]);
  /** What the loader boots. */
  next = closure(0);
  switching: { closure: string; outcome: string; before: string } | null = null;
  proving = false;
  desired: Desired = { version: 1, change: 0, target: { kind: "keep" }, askAgain: 60 };
  readonly quality: (closure: string) => Quality;
  readonly done: Step[] = [];
  readonly began: string[] = [];

  constructor(quality: (closure: string) => Quality) {
    this.quality = quality;
  }

  facts(): Facts {
    const quality = this.quality(this.running);
    const checks: Checks = quality === "failing" ? { kind: "failing", why: "shop: down" } : { kind: "passing" };
    return {
      bootId: boot(this.boots),
      booted: this.booted,
      running: this.running,
      own: this.running,
      switch: this.switching === null ? null : { ...this.switching, why: "" },
      newest: this.generations.at(-1) ?? null,
      proving: this.proving,
      checks,
      inWindow: true,
    };
  }

  /** One run of the agent, killed after so many of its writes and acts. */
  run(killedAfter: number, reaches: boolean): void {
    const desired = reaches && this.quality(this.running) !== "unreachable" ? this.desired : null;
    for (let left = killedAfter, turn = 0; turn < 8; turn++) {
      const step = decide(this.state, desired, this.facts());
      this.done.push(step);
      if (left-- <= 0) return;
      this.state = stateSchema.parse(afterStep(this.state, step));
      if (left-- <= 0) return;
      if (!this.act(step)) return;
    }
  }

  /** @returns whether the run goes on */
  act(step: Step): boolean {
    switch (step.kind) {
      case "prepare":
        this.state = {
          ...this.state,
          work: { ...step.work, sequence: step.work.release === null ? null : Number(`0x${step.work.release}`) },
        };
        return true;
      case "switch":
        this.began.push(step.work.closure);
        this.switching = { closure: step.work.closure, outcome: "waiting", before: this.running };
        this.running = step.work.closure;
        if (this.quality(this.running) === "hangs") this.powerCut();
        return false;
      case "boot":
        this.began.push(step.work.closure);
        this.proving = true;
        this.add(step.work.closure);
        this.reboot(step.work.closure);
        return false;
      case "install":
        this.began.push(step.work.closure);
        this.proving = true;
        this.add(step.work.closure);
        this.state = { ...this.state, work: { ...step.work, phase: "installed" } };
        return true;
      case "withdraw":
        this.add(this.running);
        this.proving = false;
        this.state = { ...this.state, work: null };
        return true;
      case "confirm":
        if (this.switching?.outcome === "waiting") {
          this.switching.outcome = "switched";
          this.add(step.work.closure);
        }
        this.proving = false;
        this.good.add(step.work.closure);
        return false;
      case "end":
        this.proving = false;
        return false;
      default:
        return false;
    }
  }

  /** The newest generation, which boots next. */
  add(path: string): void {
    if (this.generations.at(-1) !== path) this.generations.push(path);
    this.next = path;
  }

  /** Time goes by until what waits for a proof gives up. */
  giveUp(): void {
    if (this.switching?.outcome === "waiting") {
      this.running = this.switching.before;
      this.switching.outcome = "back";
    } else if (this.proving && this.booted === this.generations.at(-1)) {
      this.next = this.lastGood();
      this.reboot(this.next);
    }
  }

  /** What the loader, or a rollback, takes. */
  lastGood(): string {
    return this.generations.findLast((one) => this.good.has(one)) ?? closure(0);
  }

  powerCut(): void {
    this.reboot(this.next);
  }

  reboot(into: string): void {
    this.boots += 1;
    // One that never comes up is passed over.
    const comesUp = this.quality(into) !== "hangs";
    this.booted = comesUp ? into : this.lastGood();
    this.running = this.booted;
    this.switching = null;
  }

  order(target: Desired["target"]): void {
    this.desired = { ...this.desired, change: this.desired.change + 1, target };
  }
}

const APPLY = ["live", "reboot", "next-boot"] as const;

const release = (n: number, apply: (typeof APPLY)[number]): Desired["target"] => ({
  kind: "release",
  release: id(n),
  closure: closure(n),
  apply,
  acceptStray: false,
});

const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("run" as const),
      killed: fc.oneof(fc.constant(99), fc.nat(8)),
      reaches: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("give up" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("power cut" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("release" as const),
      n: fc.integer({ min: 1, max: 5 }),
      apply: fc.constantFrom(...APPLY),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("return" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("keep" as const) }) },
);
const qualities = fc.array(fc.constantFrom<Quality>("good", "good", "failing", "unreachable", "hangs"), {
  minLength: 6,
  maxLength: 6,
});

function play(world: World, events: readonly (typeof event extends fc.Arbitrary<infer E> ? E : never)[]): void {
  for (const one of events) {
    const rejected = new Set(world.state.rejected.map((each) => each.release));
    const before = world.began.length;
    switch (one.kind) {
      case "run":
        world.run(one.killed, one.reaches);
        break;
      case "give up":
        world.giveUp();
        break;
      case "power cut":
        world.powerCut();
        break;
      case "release":
        world.order(release(one.n, one.apply));
        break;
      case "return":
        world.order({ kind: "return", closure: closure(0) });
        break;
      case "keep":
        world.order({ kind: "keep" });
        break;
    }
    for (const begun of world.began.slice(before)) {
      const n = Number(begun.slice(11, 43));
      assert.ok(n === 0 || !rejected.has(id(n)), `release ${n} was rejected here, and began again`);
    }
  }
}

const qualityOf = (given: readonly Quality[]) => (path: string) => {
  const n = Number(path.slice(11, 43));
  return n === 0 ? "good" : (given[n] ?? "good");
};

test("whatever happens, what was rejected here is not tried again", () => {
  fc.assert(
    fc.property(qualities, fc.array(event, { maxLength: 60 }), (given, events) => {
      play(new World(qualityOf(given)), events);
    }),
    { numRuns: 3000 },
  );
});

test("whatever happened, once the agent is left alone it comes to rest: a good release runs, a bad one is rejected, after few tries", () => {
  fc.assert(
    fc.property(
      qualities,
      fc.array(event, { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(...APPLY),
      (given, events, n, apply) => {
        const world = new World(qualityOf(given));
        play(world, events);
        world.order(release(n, apply));
        const [change, wasRejected] = [world.desired.change, world.state.rejected.some((one) => one.release === id(n))];
        const before = world.began.length;
        // One that was begun while somebody killed agents may have been taken back for that.
        const isNew = !world.began.includes(closure(n));
        for (let runs = 0, waited = 0; runs < 60; runs++) {
          world.run(99, true);
          const waits = world.switching?.outcome === "waiting" || world.proving;
          waited = waits ? waited + 1 : 0;
          if (waited > 3) {
            world.giveUp();
            waited = 0; // what begins next has its own time
          }
          // Somebody reboots it at last.
          if (
            world.state.work?.phase === "installed" &&
            world.state.work.bootId === boot(world.boots) &&
            runs % 5 === 4
          )
            world.powerCut();
        }
        assert.equal(world.state.work, null, JSON.stringify(world.state.work));
        assert.equal(world.state.change, change);
        const quality = given[n] ?? "good";
        if (quality === "good" && isNew) {
          assert.equal(world.state.end.kind, "healthy");
          assert.equal(world.running, closure(n));
        } else if (!wasRejected && world.state.end.kind === "rejected") {
          assert.notEqual(world.running, closure(n));
        }
        assert.ok(world.began.length - before <= 2 * MOST_ATTEMPTS + 1, `${world.began.length - before} tries`);
        if (quality !== "good") assert.notEqual(world.state.end.kind, "healthy");
      },
    ),
    { numRuns: 3000 },
  );
});

test("a report that is not delivered, a control plane that is away, or a flapping check takes nothing back", () => {
  const world = new World(() => "good");
  world.order(release(1, "live"));
  world.run(99, true);
  world.run(99, true);
  world.run(99, true);
  assert.deepEqual([world.running, world.state.end.kind], [closure(1), "healthy"]);
  for (let runs = 0; runs < 20; runs++) world.run(99, false);
  assert.deepEqual([world.running, world.state.end.kind], [closure(1), "healthy"]);
  const flapping: Facts = { ...world.facts(), checks: { kind: "unsure", why: "shop: down" } };
  assert.deepEqual(decide(world.state, world.desired, flapping), { kind: "rest" });
});

test("what the control plane says again from before, or while it restarts, changes nothing", () => {
  const world = new World(() => "good");
  world.order(release(1, "live"));
  for (let runs = 0; runs < 4; runs++) world.run(99, true);
  const old: Desired = { ...world.desired, change: 0, target: release(2, "live") };
  assert.deepEqual(decide(world.state, old, world.facts()), { kind: "rest" });
  assert.deepEqual(decide(world.state, null, world.facts()), { kind: "rest" });
});

test("only the agent of the new closure proves it, and only when it has reached the control plane and every check passes", () => {
  const world = new World(() => "good");
  world.order(release(1, "live"));
  world.run(99, true);
  const facts = world.facts();
  const kind = (desired: Desired | null, more: Partial<Facts>) =>
    decide(world.state, desired, { ...facts, ...more }).kind;
  assert.equal(kind(world.desired, {}), "confirm");
  assert.equal(kind(world.desired, { own: closure(0) }), "wait");
  assert.equal(kind(world.desired, { own: "" }), "wait");
  assert.equal(kind(null, {}), "wait");
  assert.equal(kind(world.desired, { checks: { kind: "unsure", why: "" } }), "wait");
  assert.equal(kind(world.desired, { checks: { kind: "failing", why: "" } }), "wait");
});

/** Installed for the next boot, and waiting. */
function installed(quality: (path: string) => Quality = () => "good"): World {
  const world = new World(quality);
  world.order(release(1, "next-boot"));
  for (let runs = 0; runs < 3; runs++) world.run(99, runs % 2 === 0);
  assert.deepEqual([world.running, world.next, world.boots], [closure(0), closure(1), 1]);
  const step = decide(world.state, world.desired, world.facts());
  assert.deepEqual(
    [world.state.work?.phase, step.kind, step.kind === "wait" && step.soon],
    ["installed", "wait", false],
  );
  return world;
}

test("what is for the next boot is installed once, waits without a hurry, and proves itself when somebody reboots the host", () => {
  const world = installed();
  assert.deepEqual(world.began, [closure(1)]);
  world.powerCut();
  assert.equal(world.running, closure(1));
  world.run(99, false);
  assert.equal(world.proving, true);
  for (let runs = 0; runs < 2; runs++) world.run(99, true);
  assert.deepEqual([world.state.end, world.state.change, world.proving], [{ kind: "healthy" }, 1, false]);
});

test("what is for the next boot and does not prove itself, or never comes up, is rejected", () => {
  for (const quality of ["failing", "unreachable", "hangs"] as const) {
    const world = installed((path) => (path === closure(1) ? quality : "good"));
    world.powerCut();
    world.run(99, true);
    world.giveUp();
    for (let runs = 0; runs < 3; runs++) world.run(99, true);
    assert.deepEqual([world.running, world.state.end.kind, world.state.work], [closure(0), "rejected", null], quality);
  }
});

test("what waits for a boot is taken back when something else is wanted, wherever the agent is killed meanwhile", () => {
  for (const target of [{ kind: "keep" }, { kind: "return", closure: closure(0) }, release(2, "live")] as const) {
    for (let killed = 0; killed < 12; killed++) {
      const world = installed();
      world.order(target);
      world.run(killed, true);
      world.run(99, false);
      for (let runs = 0; runs < 3; runs++) world.run(99, true);
      const wanted = target.kind === "release" ? closure(2) : closure(0);
      assert.deepEqual([world.running, world.next, world.proving], [wanted, wanted, false], `${target.kind} ${killed}`);
      assert.deepEqual([world.state.end.kind, world.state.change, world.state.rejected], ["healthy", 2, []]);
    }
  }
});

test("what booted proves itself or is rejected, also when something else is wanted by then", () => {
  for (const quality of ["good", "failing", "hangs"] as const) {
    const world = installed((path) => (path === closure(1) ? quality : "good"));
    world.order({ kind: "keep" });
    world.powerCut();
    world.run(99, true);
    world.giveUp();
    for (let runs = 0; runs < 3; runs++) world.run(99, true);
    const isGood = quality === "good";
    assert.deepEqual([world.running, world.proving], [closure(isGood ? 1 : 0), false], quality);
    assert.equal(world.state.rejected.length, isGood ? 0 : 1, quality);
    assert.deepEqual([world.state.end.kind, world.state.change], ["healthy", 2], quality);
  }
});

test("an older order, or a control plane that is away, takes nothing back that waits for a boot", () => {
  const world = installed();
  for (const desired of [null, { ...world.desired, change: 0, target: { kind: "keep" } as const }])
    assert.equal(decide(world.state, desired, world.facts()).kind, "wait");
});

test("whoever installs another generation by hand is not fought: the release that waited for a boot is rejected", () => {
  for (const reboots of [false, true]) {
    const world = installed();
    world.add(closure(3));
    world.good.add(closure(3));
    if (reboots) world.powerCut();
    for (let runs = 0; runs < 3; runs++) world.run(99, true);
    assert.deepEqual([world.state.end.kind, world.next, world.began], ["rejected", closure(3), [closure(1)]]);
  }
});

test("a reboot waits for the window, and a change that was paused before it began does not begin", () => {
  const world = new World(() => "good");
  world.order(release(1, "reboot"));
  world.run(2, true);
  const facts = { ...world.facts(), inWindow: false };
  const waiting = decide(world.state, world.desired, facts);
  assert.deepEqual(waiting.kind === "wait" && waiting.soon, false);
  world.order({ kind: "keep" });
  assert.equal(decide(world.state, world.desired, facts).kind, "end");
  assert.equal(decide(world.state, null, { ...facts, inWindow: true }).kind, "wait");
});
