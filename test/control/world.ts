/** A fleet in memory: what the control plane has recorded, and beside it what is true of each host. */
import { type Clock, tick } from "../../src/control/decide/clock.ts";
import { COMMANDS, mayCommand, type RolloutCommand } from "../../src/control/decide/command.ts";
import { decide } from "../../src/control/decide/decide.ts";
import type {
  Decision,
  Lifecycle,
  Member,
  MemberState,
  Members,
  Moment,
  Rollout,
  StateKind,
} from "../../src/control/decide/state.ts";
import { NOBODY } from "../../src/control/store/members.ts";
import type { Target } from "../../src/wire/desired.ts";
import type { Outcome } from "../../src/wire/report.ts";

export const AWAY_AFTER = 300;

export interface Host {
  running: string;
  /** The change that it has taken last, and what it was told with it. */
  change: number;
  target: Target;
  outcome: Outcome;
  readonly rejects: Set<string>;
  sequence: number;
}

export interface Record {
  readonly name: string;
  lifecycle: Lifecycle;
  change: number;
  fetched: number;
  target: Target;
  lastSeen: number | null;
  running: string | null;
  reported: { change: number; outcome: Outcome } | null;
  sequence: number;
  readonly rejections: Set<string>;
  readonly host: Host;
}

export interface Report {
  readonly machine: string;
  readonly sequence: number;
  readonly change: number;
  readonly outcome: Outcome;
  readonly running: string;
}

interface Membership {
  state: MemberState;
  live: boolean;
}

export interface Batch {
  readonly rollout: string;
  /** Of the rollout; it grows with each decision that is applied. */
  version: number;
  readonly decisions: readonly Decision[];
  /** When they were decided, in seconds of the steady clock. */
  readonly at: number;
}

/** What a decision needs of members, with everybody concerned: what the database picks has to lead to the same decisions. */
export function membersOf(all: readonly Member[], { soak }: Rollout, { now }: Moment): Members {
  const counts: { [kind in StateKind]: number } = { ...NOBODY };
  for (const { state } of all) counts[state.kind] += 1;
  const failed = all
    .filter(({ state }) => (state.kind === "failed" || state.kind === "rejected") && !state.forgiven)
    .sort((one, other) => (one.machine.name < other.machine.name ? -1 : 1));
  const unfinished = all.some(
    ({ machine, state, live }) =>
      live &&
      machine.lifecycle === "active" &&
      (state.kind === "changing" ||
        state.kind === "installed" ||
        (state.kind === "healthy" && now - state.since < soak)),
  );
  return { counts, failures: failed.length, firstFailure: failed[0] ?? null, unfinished, concerned: all };
}

export class World {
  clock: Clock = { steady: 0, wall: 1_000_000 };
  wall = 1_000_000;
  readonly machines: Record[];
  readonly rollouts = new Map<string, { rollout: Rollout; members: Map<string, Membership> }>();
  readonly undelivered: Report[] = [];
  /** Changes after which the host was healthy in truth: `machine change`. */
  readonly truth = new Set<string>();

  constructor(count: number) {
    this.machines = Array.from({ length: count }, (_, index) => ({
      name: `m${index}`,
      lifecycle: "active",
      change: 0,
      fetched: 0,
      target: { kind: "keep" },
      lastSeen: null,
      running: null,
      reported: null,
      sequence: 0,
      rejections: new Set(),
      host: {
        running: closureOf(`m${index}`, "first"),
        change: 0,
        target: { kind: "keep" },
        outcome: { kind: "healthy" },
        rejects: new Set(),
        sequence: 0,
      },
    }));
  }

  tick(): void {
    this.clock = tick(this.clock, this.wall);
  }

  members(id: string): Member[] {
    const { rollout, members } = this.rollout(id);
    return [...members].map(([name, { state, live }]) => {
      const record = this.machine(name);
      const held = [...this.rollouts].some(([other, one]) => other !== id && one.members.get(name)?.live === true);
      const rejects = record.rejections.has(rollout.release);
      return { machine: { ...record, rejects, held }, closure: closureOf(name, rollout.release), state, live };
    });
  }

  rollout(id: string) {
    const found = this.rollouts.get(id);
    if (found === undefined) throw new Error(`no rollout ${id}`);
    return found;
  }

  machine(name: string): Record {
    const found = this.machines.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no machine ${name}`);
    return found;
  }

  batch(id: string): Batch {
    const { rollout } = this.rollout(id);
    const moment = { now: this.clock.steady, awayAfter: AWAY_AFTER };
    const decisions = decide(rollout, membersOf(this.members(id), rollout, moment), moment);
    return { rollout: id, version: rollout.version, decisions, at: moment.now };
  }

  /** Applies one decision as the store does: only if what it was decided from still holds. */
  apply(batch: Batch, decision: Decision): boolean {
    const found = this.rollout(batch.rollout);
    if (found.rollout.version !== batch.version || !this.#applies(batch.rollout, decision)) return false;
    batch.version += 1;
    found.rollout = { ...found.rollout, version: batch.version };
    return true;
  }

  #applies(id: string, decision: Decision): boolean {
    const found = this.rollout(id);
    if (decision.kind === "rollout") {
      const { status, wave, why } = decision;
      found.rollout = { ...found.rollout, status, wave, why };
      return true;
    }
    const member = found.members.get(decision.machine);
    const record = this.machine(decision.machine);
    const { order } = decision;
    if (member === undefined || member.state.kind !== decision.from) return false;
    if (decision.live && !member.live && this.isHeldBesides(id, decision.machine)) return false;
    if (order !== null) {
      if (record.change !== order.change - 1 || (order.unseen && record.fetched >= record.change)) return false;
      if (order.target.kind === "release" && record.rejections.has(order.target.release)) return false;
      record.change = order.change;
      record.target = order.target;
    }
    member.state = decision.to;
    member.live = decision.live;
    return true;
  }

  private isHeldBesides(id: string, machine: string): boolean {
    return [...this.rollouts].some(([other, one]) => other !== id && one.members.get(machine)?.live === true);
  }

  command(id: string, command: RolloutCommand): void {
    const found = this.rollout(id);
    if (!mayCommand(command, found.rollout.status)) return;
    found.rollout = { ...found.rollout, status: COMMANDS[command].to, version: found.rollout.version + 1 };
    if (command !== "resume") return;
    for (const member of found.members.values()) {
      if (member.state.kind === "failed" || member.state.kind === "rejected")
        member.state = { ...member.state, forgiven: true };
    }
  }

  /** Refused if a rollout that is not done has one of the machines. */
  create(rollout: Rollout, names: readonly string[]): boolean {
    const memberships = [...this.rollouts.values()].flatMap((one) =>
      [...one.members].flatMap(([name, member]) => (names.includes(name) && member.live ? [{ one, member }] : [])),
    );
    if (memberships.some(({ one, member }) => one.rollout.status !== "done" || member.state.kind !== "waiting"))
      return false;
    for (const { member } of memberships) {
      member.state = { kind: "left", why: "another rollout has taken it over" };
      member.live = false;
    }
    const members = names.map((name) => [name, { state: { kind: "waiting" }, live: true }] as const);
    this.rollouts.set(rollout.id, { rollout, members: new Map<string, Membership>(members) });
    return true;
  }

  /** Whatever was decided about the machine before is void. */
  setLifecycle(record: Record, to: Lifecycle): void {
    record.lifecycle = to;
    for (const one of this.rollouts.values()) {
      if (one.members.has(record.name)) one.rollout = { ...one.rollout, version: one.rollout.version + 1 };
    }
  }

  /** The agent asks what its host should run, and is answered, unless the answer is lost. */
  poll(record: Record, lost: boolean): void {
    record.fetched = record.change;
    if (lost || record.host.change === record.change) return;
    record.host.change = record.change;
    record.host.target = record.target;
    record.host.outcome = { kind: "working", doing: "pull" };
  }

  /** The host does what it was told, or fails to. */
  act(record: Record, how: "well" | "rejects" | "refuses" | "breaks"): void {
    const { host, name } = record;
    const { target } = host;
    if (how === "breaks") {
      host.outcome = { kind: "unhealthy", why: "a check fails" };
    } else if (target.kind === "release" && (host.rejects.has(target.release) || how === "rejects")) {
      host.rejects.add(target.release);
      if (host.running === target.closure) host.running = closureOf(name, "first");
      host.outcome = { kind: "rejected", release: target.release, why: "does not work here" };
    } else if (how === "refuses" && target.kind !== "keep") {
      host.outcome = { kind: "refused", why: "no room" };
    } else if (isForNextBoot(host)) {
      host.outcome = { kind: "installed" };
    } else {
      if (target.kind !== "keep") host.running = target.closure;
      host.outcome = { kind: "healthy" };
      this.truth.add(`${name} ${host.change}`);
    }
  }

  /** What is installed for its next boot runs now, and has to prove itself. */
  boot({ host }: Record): void {
    if (host.outcome.kind !== "installed" || host.target.kind !== "release") return;
    host.running = host.target.closure;
    host.outcome = { kind: "working", doing: "booted" };
  }

  say(record: Record): Report {
    const { host, name } = record;
    host.sequence += 1;
    return {
      machine: name,
      sequence: host.sequence,
      change: host.change,
      outcome: host.outcome,
      running: host.running,
    };
  }

  hear({ machine, sequence, change, outcome, running }: Report): void {
    const record = this.machine(machine);
    if (sequence <= record.sequence) return;
    record.lastSeen = this.clock.steady;
    record.sequence = sequence;
    record.running = running;
    record.reported = { change, outcome };
    if (outcome.kind === "rejected") record.rejections.add(outcome.release);
  }
}

function isForNextBoot({ target, running }: Host): boolean {
  return target.kind === "release" && target.apply === "next-boot" && running !== target.closure;
}

export function closureOf(machine: string, release: string): string {
  return `/nix/store/${release.slice(0, 8).padEnd(32, "0")}-nixfleet-${machine}`;
}
