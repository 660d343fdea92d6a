/** Which rollouts there are, and how a decision is kept: in small transactions, each of which checks what it was decided from. */
import { rolloutRequest } from "../../wire/rollout.ts";
import type { Decision, Rollout } from "../decide/state.ts";
import { wavesOf } from "../decide/waves.ts";
import { CONTROL_PLANE, writeAudit } from "./audit.ts";
import type { Change, Database, Query } from "./database.ts";
import { memberColumns } from "./member-row.ts";
import type { RolloutRow } from "./schema.ts";

/** How many decisions are in one transaction: others wait for no longer than it takes. */
const CHUNK = 100;

/** The rollouts that may have something to do. */
export async function openRollouts(db: Query): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("rollouts")
    .select("id")
    .where((eb) =>
      eb.or([
        eb("status", "in", ["pending", "running", "paused", "reverting"]),
        eb("id", "in", eb.selectFrom("members").select("rollout").where("live", "=", 1)),
      ]),
    )
    .orderBy("created")
    .orderBy("id")
    .execute();
  return rows.map(({ id }) => id);
}

export async function loadRollout(db: Query, id: string): Promise<Rollout> {
  return rolloutOf(await db.selectFrom("rollouts").selectAll().where("id", "=", id).executeTakeFirstOrThrow());
}

function rolloutOf({ id, release, status, why, version, wave, request }: Omit<RolloutRow, "counts">): Rollout {
  const { strategy, atOnce, tolerate, soak, patience, onFailure, apply, acceptStray } = rolloutRequest.parse(
    JSON.parse(request),
  );
  const plan = { waves: wavesOf(strategy), atOnce, tolerate, soak, patience, onFailure, apply, acceptStray };
  return { id, release, status, why, version, wave, ...plan };
}

/**
 * @param at now, for the audit log
 * @param holds asks in each transaction whether this instance still runs the rollouts
 * @returns whether all were applied. If not, something has changed since they were decided: load, and decide again.
 */
export async function applyDecisions(
  db: Database,
  rollout: Rollout,
  decisions: readonly Decision[],
  at: string,
  holds: (change: Change) => Promise<boolean>,
): Promise<boolean> {
  const { id, version } = rollout;
  for (let chunks = 0; chunks * CHUNK < decisions.length; chunks++) {
    const chunk = decisions.slice(chunks * CHUNK, (chunks + 1) * CHUNK);
    const applied = await attempt(db, async (change) => {
      if (!(await holds(change))) throw new Void();
      // With this, what somebody else decided before is void. It locks the rollout, too, where several write at a time.
      await once(
        change
          .updateTable("rollouts")
          .set({ version: version + chunks + 1, counts: null })
          .where("id", "=", id)
          .where("version", "=", version + chunks)
          .executeTakeFirst(),
      );
      for (const decision of chunk) await apply(change, rollout, decision, at);
    });
    if (!applied) return false;
  }
  return true;
}

async function apply(change: Change, rollout: Rollout, decision: Decision, at: string): Promise<void> {
  const { id } = rollout;
  if (decision.kind === "rollout") {
    const { status, wave, why } = decision;
    await once(change.updateTable("rollouts").set({ status, wave, why }).where("id", "=", id).executeTakeFirst());
    const before = { status: rollout.status, wave: rollout.wave + 1 };
    const after = { status, wave: wave + 1, why };
    await writeAudit(change, { at, who: CONTROL_PLANE, action: "rollout.step", subject: id, before, after });
    return;
  }
  const { machine, from, to, live, order } = decision;
  if (order !== null) {
    let update = change
      .updateTable("machines")
      .set({ change: order.change, target: JSON.stringify(order.target) })
      .where("name", "=", machine)
      .where("change", "=", order.change - 1);
    if (order.unseen) update = update.where("fetched", "<", order.change - 1);
    if (order.target.kind === "release") {
      // It may have rejected the release since this was decided: a report voids no decision by itself, there are too many of them.
      const { release } = order.target;
      update = update.where("name", "not in", (eb) =>
        eb.selectFrom("rejections").select("machine").where("machine", "=", machine).where("release", "=", release),
      );
    }
    await once(update.executeTakeFirst());
  }
  await once(
    change
      .updateTable("members")
      .set({ ...memberColumns(to), live: live ? 1 : 0 })
      .where("rollout", "=", id)
      .where("machine", "=", machine)
      .where("state", "=", from)
      .executeTakeFirst(),
  );
}

/** What a decision was made from holds no longer. */
class Void extends Error {}

async function once(update: Promise<{ numUpdatedRows: bigint }>): Promise<void> {
  if ((await update).numUpdatedRows !== 1n) throw new Void();
}

async function attempt(db: Database, act: (change: Change) => Promise<void>): Promise<boolean> {
  try {
    await db.transaction().execute(act);
    return true;
  } catch (error) {
    if (error instanceof Void || isConflict(error)) return false;
    throw error;
  }
}

/** Another transaction was first: a unique index says so, or PostgreSQL ends one of two that wait for each other. */
export function isConflict(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  const code = String(error.code);
  const sqlite = code === "ERR_SQLITE_ERROR" && /UNIQUE constraint failed/.test(error.message);
  return sqlite || ["23505", "40001", "40P01"].includes(code);
}
