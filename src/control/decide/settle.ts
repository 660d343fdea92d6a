/** What the machines have said, as it changes what the rollout knows of them. */

import type { Outcome } from "../../wire/report.ts";
import type { Decision, Machine, Member, MemberState, Moment, Order, Rollout } from "./state.ts";

export function settle(rollout: Rollout, members: readonly Member[], moment: Moment): readonly Decision[] {
  return members.flatMap((member) => (member.live ? (settled(rollout, member, moment) ?? []) : []));
}

function settled(rollout: Rollout, member: Member, moment: Moment): Decision | null {
  const { machine, state } = member;
  if (machine.lifecycle === "decommissioned")
    return moved(member, { kind: "left", why: "decommissioned" }, { live: false });
  switch (state.kind) {
    case "changing":
    case "installed":
    case "healthy":
    case "failed":
      return heard(member, state, moment) ?? (state.kind === "changing" ? late(rollout, member, state, moment) : null);
    default:
      return null;
  }
}

function heard(
  member: Member,
  state: MemberState & { change: number; since: number; previous: string },
  { now }: Moment,
) {
  const outcome = outcomeOf(member.machine, state.change);
  const { change, previous } = state;
  // It has booted, or is another host than the one that said so: from here on its patience counts.
  const booted = () =>
    state.kind === "installed" ? moved(member, { kind: "changing", change, since: now, previous }) : null;
  switch (outcome?.kind) {
    case undefined:
      return booted();
    case "rejected":
      return moved(member, { kind: "rejected", why: outcome.why, forgiven: false }, { order: keep(member.machine) });
    case "healthy":
      if (member.machine.running !== member.closure) return booted();
      if (state.kind === "healthy") return null;
      return moved(member, { kind: "healthy", change, since: now, previous });
    case "unhealthy":
      // Whoever is changing has until its patience ends.
      if (state.kind !== "healthy") return booted();
      return moved(member, { kind: "failed", change, since: now, previous, why: outcome.why, forgiven: false });
    case "installed":
      return state.kind === "changing" ? moved(member, { kind: "installed", change, since: now, previous }) : null;
    case "working":
    case "refused":
      return booted();
  }
}

/** A machine has taken longer than the rollout waits. One in maintenance is left alone. */
function late(rollout: Rollout, member: Member, state: MemberState & { kind: "changing" }, { now, awayAfter }: Moment) {
  const { machine } = member;
  if (machine.lifecycle !== "active" || now - state.since < rollout.patience) return null;
  if (machine.fetched < state.change && isAway(machine, now, awayAfter)) {
    // It went away before it knew of the change: it is caught up with later.
    return moved(member, { kind: "waiting" }, { order: { ...keep(machine), unseen: true } });
  }
  return moved(member, { ...state, kind: "failed", since: now, why: lateness(machine, state.change), forgiven: false });
}

function lateness(machine: Machine, change: number): string {
  const outcome = outcomeOf(machine, change);
  if (outcome?.kind === "refused" || outcome?.kind === "unhealthy") return outcome.why;
  if (outcome?.kind === "working") return `not done in time: ${outcome.doing}`;
  if (outcome?.kind === "healthy") return "it says that it is healthy, and runs another closure than it should";
  if (machine.fetched < change) return "its agent has not asked what to run";
  return "it took the change and has said nothing of it since";
}

/** What the machine said of this very change, and of no other. */
export function outcomeOf(machine: Machine, change: number): Outcome | null {
  return machine.reported?.change === change ? machine.reported.outcome : null;
}

export function isAway(machine: Machine, now: number, awayAfter: number): boolean {
  return machine.lastSeen === null || now - machine.lastSeen > awayAfter;
}

export function keep(machine: Machine): Order {
  return { change: machine.change + 1, target: { kind: "keep" }, unseen: false };
}

export function moved(
  { machine, state, live }: Member,
  to: MemberState,
  more: { readonly live?: boolean; readonly order?: Order | null } = {},
): Decision {
  return {
    kind: "member",
    machine: machine.name,
    from: state.kind,
    to,
    live: more.live ?? live,
    order: more.order ?? null,
  };
}
