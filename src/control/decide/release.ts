/** The rollout is over: it lets its machines go, each as it is. A change that no agent has seen is taken back. */
import { keep, moved } from "./settle.ts";
import type { Decision, Member } from "./state.ts";

/** In a rollout that is done, whoever waits is still caught up with, and whoever is under way is in maintenance. */
export function release(members: readonly Member[], over: "done" | "ended"): readonly Decision[] {
  return members
    .filter(({ live }) => live)
    .flatMap((member) => {
      const { machine, state } = member;
      if (over === "done" && ["waiting", "changing", "installed"].includes(state.kind)) return [];
      if (state.kind === "changing" && machine.fetched < state.change) {
        return [
          moved(
            member,
            { kind: "left", why: "it was not told" },
            { live: false, order: { ...keep(machine), unseen: true } },
          ),
        ];
      }
      if (state.kind === "waiting")
        return [moved(member, { kind: "left", why: "the rollout ended before" }, { live: false })];
      return [moved(member, state, { live: false })];
    });
}

/** What no agent has seen yet is taken back, for later. */
export function withdraw(members: readonly Member[]): readonly Decision[] {
  return members.flatMap((member) => {
    const { machine, state, live } = member;
    if (!live || state.kind !== "changing" || machine.fetched >= state.change) return [];
    return [moved(member, { kind: "waiting" }, { order: { ...keep(machine), unseen: true } })];
  });
}
