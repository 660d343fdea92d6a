/** How many of a rollout's machines are in which state. One that is over is counted once, however many there are. */
import type { RolloutStatus } from "../../wire/rollout.ts";
import type { Database, Query } from "./database.ts";

export type Counts = Readonly<Record<string, number>>;

/** It has ended, as long as nobody tells it to revert. */
export const OVER: readonly RolloutStatus[] = ["done", "failed", "cancelled"];

/** How many are counted in one turn. */
const MOST = 10;

export async function rolloutCounts(
  db: Query,
  rollouts: readonly { readonly id: string; readonly counts: string | null }[],
): Promise<ReadonlyMap<string, Counts>> {
  const found = new Map<string, Counts>();
  for (const { id, counts } of rollouts) if (counts !== null) found.set(id, JSON.parse(counts));
  const open = rollouts.filter(({ counts }) => counts === null).map(({ id }) => id);
  if (open.length === 0) return found;
  const rows = await db
    .selectFrom("members")
    .select(["rollout", "state"])
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("rollout", "in", open)
    .groupBy(["rollout", "state"])
    .execute();
  for (const { rollout, state, count } of rows) found.set(rollout, { ...found.get(rollout), [state]: count });
  return found;
}

/** Keeps the counts of those that are over and have no machine any more: whatever changes one of them forgets its counts. */
export async function countEnded(db: Database): Promise<void> {
  const ended = await db
    .selectFrom("rollouts")
    .select(["id", "version", "counts"])
    .where("counts", "is", null)
    .where("status", "in", OVER)
    .where("id", "not in", (eb) => eb.selectFrom("members").select("rollout").where("live", "=", 1))
    .limit(MOST)
    .execute();
  for (const rollout of ended) {
    const counts = (await rolloutCounts(db, [rollout])).get(rollout.id) ?? {};
    await db
      .updateTable("rollouts")
      .set({ counts: JSON.stringify(counts) })
      .where("id", "=", rollout.id)
      .where("version", "=", rollout.version)
      .execute();
  }
}
