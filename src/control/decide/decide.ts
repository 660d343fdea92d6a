/**
 * The rollout engine: from what is known of a rollout, and the time, to what shall change. It keeps nothing, so the control plane can end
 * at any moment: the next one decides the same. What it answers is one batch, decided from one state. Apply it, load the state, and ask
 * again until nothing is left to do.
 */
import { progress } from "./progress.ts";
import { release, withdraw } from "./release.ts";
import { revert } from "./revert.ts";
import { settle } from "./settle.ts";
import type { Decision, Members, Moment, Rollout } from "./state.ts";
import { tolerated, total, underWayIn } from "./waves.ts";

export function decide(rollout: Rollout, members: Members, moment: Moment): readonly Decision[] {
  const { concerned } = members;
  switch (rollout.status) {
    case "pending":
      return [{ kind: "rollout", status: "running", wave: 0, why: "" }];
    case "running":
    case "done":
      return first(
        () => settle(rollout, concerned, moment),
        () => stop(rollout, members),
        () => progress(rollout, members, moment),
        () => (rollout.status === "done" ? release(concerned, "done") : []),
      );
    case "paused":
      return first(
        () => settle(rollout, concerned, moment),
        () => withdraw(concerned),
      );
    case "reverting":
      return revert(rollout, members, moment);
    case "failed":
    case "cancelled":
      return release(concerned, "ended");
  }
}

/** More machines have failed than may. */
function stop(rollout: Rollout, { counts, failures, firstFailure }: Members): readonly Decision[] {
  const tooMany = failures > tolerated(rollout.tolerate, total(counts));
  // A tolerated failure is one beside others that are well.
  if (!tooMany && (failures === 0 || counts.healthy + underWayIn(counts) > 0)) return [];
  const state = firstFailure?.state;
  const reason =
    state?.kind === "failed" || state?.kind === "rejected" ? `${firstFailure?.machine.name}: ${state.why}` : "";
  const why = failures === 1 ? reason : `${failures} machines failed; ${reason}`;
  return [
    { kind: "rollout", status: rollout.onFailure === "revert" ? "reverting" : "paused", wave: rollout.wave, why },
  ];
}

function first(...phases: readonly (() => readonly Decision[])[]): readonly Decision[] {
  for (const phase of phases) {
    const decisions = phase();
    if (decisions.length > 0) return decisions;
  }
  return [];
}
