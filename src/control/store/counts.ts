/** How many machines and rollouts are in which state. */
import type { RolloutStatus } from "../../wire/rollout.ts";
import type { Lifecycle } from "../decide/state.ts";
import type { Query } from "./database.ts";

export interface FleetCounts {
  /** `outcome`: the kind of what they last said, or `none`. */
  readonly machines: readonly { readonly lifecycle: Lifecycle; readonly outcome: string; readonly count: number }[];
  readonly rollouts: readonly { readonly status: RolloutStatus; readonly count: number }[];
}

export async function fleetCounts(db: Query): Promise<FleetCounts> {
  const machines = await db
    .selectFrom("machines")
    .select(["lifecycle", "outcome_kind"])
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .groupBy(["lifecycle", "outcome_kind"])
    .execute();
  const rollouts = await db
    .selectFrom("rollouts")
    .select("status")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .groupBy("status")
    .execute();
  return {
    machines: machines.map(({ lifecycle, outcome_kind, count }) => ({
      lifecycle,
      outcome: outcome_kind ?? "none",
      count,
    })),
    rollouts,
  };
}
