/** Fills the wave that is on, ends it, or ends the rollout. */

import { isAway, moved } from "./settle.ts";
import type { Decision, Member, Members, Moment, Rollout } from "./state.ts";
import { begunIn, mayBegin, place, roomIn, slotsIn, underWayIn } from "./waves.ts";

export function progress(rollout: Rollout, members: Members, moment: Moment): readonly Decision[] {
  const { status, wave, waves } = rollout;
  const { counts, concerned, unfinished } = members;
  const room = roomIn(rollout, counts);
  const next = firstOf(concerned, rollout, moment).slice(0, mayBegin(rollout, counts));
  if (next.length > 0) return next.map((member) => change(rollout, member, moment));
  if (unfinished || (room > 0 && slotsIn(rollout, counts) === 0)) return [];
  if (room === 0 && wave < waves.length - 1 && counts.waiting > 0) {
    return [{ kind: "rollout", status, wave: wave + 1, why: rollout.why }];
  }
  // With nobody begun, all are away, or in maintenance: they may come.
  if (status === "done" || (begunIn(counts) === 0 && counts.waiting > 0)) return [];
  return [{ kind: "rollout", status: "done", wave, why: summary(counts) }];
}

function firstOf(members: readonly Member[], { release }: Rollout, moment: Moment): readonly Member[] {
  return members
    .filter((member) => member.state.kind === "waiting" && canChange(member, moment))
    .map((member) => ({ member, place: place(member.machine.name, release) }))
    .sort((one, other) => (one.place < other.place ? -1 : 1))
    .map(({ member }) => member);
}

function canChange({ machine }: Member, { now, awayAfter }: Moment): boolean {
  return (
    machine.lifecycle === "active" && !machine.held && machine.running !== null && !isAway(machine, now, awayAfter)
  );
}

function change(rollout: Rollout, member: Member, { now }: Moment): Decision {
  const { machine, closure } = member;
  if (machine.rejects) {
    return moved(member, { kind: "rejected", why: "it has rejected this release before", forgiven: false });
  }
  const { release, apply, acceptStray } = rollout;
  const number = machine.change + 1;
  return moved(
    member,
    { kind: "changing", change: number, since: now, previous: machine.running ?? closure },
    { order: { change: number, target: { kind: "release", release, closure, apply, acceptStray }, unseen: false } },
  );
}

function summary(counts: Members["counts"]): string {
  const parts = [
    [counts.healthy, "healthy"],
    [counts.failed, "failed"],
    [counts.rejected, "rejected it"],
    [underWayIn(counts), "in maintenance"],
    [counts.left, "left out"],
    [counts.waiting, "to be caught up with"],
  ] as const;
  return parts.flatMap(([machines, what]) => (machines > 0 ? [`${machines} ${what}`] : [])).join(", ");
}
