/** Brings back what each machine ran before the rollout changed it. */

import { keep, moved, outcomeOf } from "./settle.ts";
import type { Decision, Member, Members, Moment, Rollout } from "./state.ts";

export function revert(rollout: Rollout, { counts, concerned }: Members, moment: Moment): readonly Decision[] {
  const decisions = concerned.flatMap((member) => reverted(rollout, member, moment) ?? []);
  if (decisions.length > 0 || counts.reverting > 0) return decisions;
  const { reverted: back, stuck } = counts;
  const said = stuck === 0 ? `${back} machines went back` : `${back} machines went back, ${stuck} did not`;
  return [
    {
      kind: "rollout",
      status: "failed",
      wave: rollout.wave,
      why: rollout.why === "" ? said : `${said}: ${rollout.why}`,
    },
  ];
}

function reverted(rollout: Rollout, member: Member, { now }: Moment): Decision | null {
  const { machine, state, live } = member;
  const leave = (why: string) => moved(member, { kind: "left", why }, { live: false });
  switch (state.kind) {
    case "waiting":
      return leave("it was not changed");
    case "rejected":
      return live ? moved(member, state, { live: false }) : null;
    case "changing":
    case "installed":
    case "healthy":
    case "failed": {
      if (machine.held || machine.change !== state.change) return leave("it has been told something else since");
      if (machine.lifecycle === "decommissioned" || machine.lifecycle === "maintenance")
        return leave(machine.lifecycle);
      if (machine.fetched < state.change) {
        const order = { ...keep(machine), unseen: true };
        return moved(member, { kind: "left", why: "it was not told" }, { live: false, order });
      }
      const change = machine.change + 1;
      return moved(
        member,
        { kind: "reverting", change, since: now, previous: state.previous },
        { live: true, order: { change, target: { kind: "return", closure: state.previous }, unseen: false } },
      );
    }
    case "reverting": {
      const outcome = outcomeOf(machine, state.change);
      if (outcome?.kind === "healthy" && machine.running === state.previous) {
        return moved(member, { kind: "reverted" }, { live: false });
      }
      const stuck = (why: string) => moved(member, { kind: "stuck", why }, { live: false });
      if (machine.lifecycle === "decommissioned") return stuck("decommissioned");
      return now - state.since < rollout.patience
        ? null
        : stuck(outcome !== null && "why" in outcome ? outcome.why : "it has not said that it went back");
    }
    case "reverted":
    case "stuck":
    case "left":
      return null;
  }
}
