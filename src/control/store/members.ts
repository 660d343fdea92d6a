/**
 * A rollout's members, as a decision needs them. The database counts them and picks those that may have something to do, so a step costs
 * what changes, and not what there is. Of each fact it reads what holds in that moment; whether a decision still fits is checked where it
 * is applied.
 */
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from "kysely";
import { type Outcome, outcome as outcomeSchema } from "../../wire/report.ts";
import type { Machine, Member, Members, Moment, Rollout, StateKind } from "../decide/state.ts";
import { mayBegin, place } from "../decide/waves.ts";
import type { Query } from "./database.ts";
import { memberState } from "./member-row.ts";
import type { MachineRow, MemberRow, Schema } from "./schema.ts";

/** Seconds by which more are read than needed: how a database rounds decides nothing. */
const SLACK = 1;

/** Of a rollout without members. */
export const NOBODY: Members["counts"] = {
  waiting: 0,
  changing: 0,
  installed: 0,
  healthy: 0,
  failed: 0,
  rejected: 0,
  reverting: 0,
  reverted: 0,
  stuck: 0,
  left: 0,
};

export async function loadMembers(db: Query, rollout: Rollout, moment: Moment): Promise<Members> {
  const { counts, failures } = await countMembers(db, rollout.id);
  const next = await nextIn(db, rollout, moment, mayBegin(rollout, counts));
  const concerned = await read(db, rollout, (b) => concerns(b, rollout, moment, next));
  return {
    counts,
    failures,
    firstFailure: failures > 0 ? await firstFailure(db, rollout) : null,
    unfinished: await isUnfinished(db, rollout, moment),
    concerned,
  };
}

async function countMembers(db: Query, id: string) {
  const rows = await db
    .selectFrom("members")
    .select(["state", "forgiven"])
    .select((b) => b.fn.countAll<number>().as("count"))
    .where("rollout", "=", id)
    .groupBy(["state", "forgiven"])
    .execute();
  const counts: Record<StateKind, number> = { ...NOBODY };
  let failures = 0;
  for (const { state, forgiven, count } of rows) {
    counts[state] += count;
    if ((state === "failed" || state === "rejected") && forgiven === 0) failures += count;
  }
  return { counts, failures };
}

type Builder = ExpressionBuilder<Schema & { member: MemberRow; machine: MachineRow }, "member" | "machine">;

/** Whom a decision may be about, in the words of ../decide: `settle`, `progress`, `release`, `withdraw`, `revert`. */
function concerns(b: Builder, { status, patience }: Rollout, { now }: Moment, next: readonly string[]) {
  const live = b("member.live", "=", 1);
  const state = (...kinds: StateKind[]) => b("member.state", "in", kinds);
  const hasSaid = (...kinds: Outcome["kind"][]) =>
    b.and([b("machine.reported_change", "=", b.ref("member.change")), b("machine.outcome_kind", "in", kinds)]);
  const late = b("member.since", "<=", now - patience + SLACK);
  const gone = b("machine.lifecycle", "=", "decommissioned");
  const settles = b.and([
    live,
    b.or([
      gone,
      b.and([state("changing"), b.or([hasSaid("rejected", "healthy", "installed"), late])]),
      b.and([state("installed"), b.not(hasSaid("installed"))]),
      b.and([state("healthy"), hasSaid("rejected", "unhealthy")]),
      b.and([state("failed"), hasSaid("rejected", "healthy")]),
    ]),
  ]);
  const unseen = b("machine.fetched", "<", b.ref("member.change"));
  switch (status) {
    case "pending":
      return sql<SqlBool>`1 = 0`;
    case "running":
    case "done": {
      const begin = next.length > 0 ? [b("member.machine", "in", next)] : [];
      const over = b.and([live, b.not(state("waiting", "changing", "installed"))]);
      return b.or([settles, ...begin, ...(status === "done" ? [over] : [])]);
    }
    case "paused":
      return b.or([settles, b.and([live, state("changing"), unseen])]);
    case "reverting":
      return b.or([
        state("waiting", "changing", "installed", "healthy", "failed"),
        b.and([live, state("rejected")]),
        b.and([state("reverting"), b.or([hasSaid("healthy"), late, gone])]),
      ]);
    case "failed":
    case "cancelled":
      return live;
  }
}

/** The names of those who begin next: few, of a fleet that may be large. */
async function nextIn(db: Query, { id, release, status }: Rollout, { now, awayAfter }: Moment, most: number) {
  if (most === 0 || (status !== "running" && status !== "done")) return [];
  const rows = await db
    .selectFrom("members as member")
    .innerJoin("machines as machine", "machine.name", "member.machine")
    .select("member.machine")
    .where("member.rollout", "=", id)
    .where("member.state", "=", "waiting")
    .where("member.live", "=", 1)
    .where("machine.lifecycle", "=", "active")
    .where("machine.running", "is not", null)
    // As `isAway` has it, to the bit: who is read here begins.
    .where(sql<SqlBool>`cast(${now} as double precision) - machine.last_seen <= ${awayAfter}`)
    .execute();
  const placed = rows.map(({ machine }) => ({ machine, place: place(machine, release) }));
  placed.sort((one, other) => (one.place < other.place ? -1 : 1));
  return placed.slice(0, most).map(({ machine }) => machine);
}

async function isUnfinished(db: Query, { id, soak }: Rollout, { now }: Moment): Promise<boolean> {
  const row = await db
    .selectFrom("members as member")
    .innerJoin("machines as machine", "machine.name", "member.machine")
    .select("member.machine")
    .where("member.rollout", "=", id)
    .where("member.live", "=", 1)
    .where("machine.lifecycle", "=", "active")
    .where((b) =>
      b.or([
        b("member.state", "in", ["changing", "installed"]),
        b.and([b("member.state", "=", "healthy"), b("member.since", ">", now - soak)]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

async function firstFailure(db: Query, rollout: Rollout): Promise<Member | null> {
  const row = await db
    .selectFrom("members")
    .select((b) => b.fn.min("machine").as("machine"))
    .where("rollout", "=", rollout.id)
    .where("state", "in", ["failed", "rejected"])
    .where("forgiven", "=", 0)
    .executeTakeFirst();
  if (row === undefined || row.machine === null) return null;
  const [first] = await read(db, rollout, (b) => b("member.machine", "=", row.machine));
  return first ?? null;
}

async function read(
  db: Query,
  { id, release }: Rollout,
  which: (b: Builder) => Expression<SqlBool>,
): Promise<readonly Member[]> {
  const rows = await db
    .selectFrom("members as member")
    .innerJoin("machines as machine", "machine.name", "member.machine")
    .leftJoin("members as other", (join) =>
      join.onRef("other.machine", "=", "member.machine").on("other.live", "=", 1).on("other.rollout", "!=", id),
    )
    .leftJoin("rejections", (join) =>
      join.onRef("rejections.machine", "=", "member.machine").on("rejections.release", "=", release),
    )
    .select([
      "machine.name",
      "machine.lifecycle",
      "machine.change as machine_change",
      "machine.fetched",
      "machine.last_seen",
    ])
    .select(["machine.running", "machine.reported_change", "machine.outcome"])
    .select(["member.closure", "member.state", "member.change", "member.since", "member.previous", "member.why"])
    .select(["member.forgiven", "member.live", "other.rollout as holder", "rejections.release as rejects"])
    .where("member.rollout", "=", id)
    .where(which)
    .execute();
  const readOutcome = outcomeReader();
  return rows.map((row) => {
    const machine: Machine = {
      name: row.name,
      lifecycle: row.lifecycle,
      change: row.machine_change,
      fetched: row.fetched,
      lastSeen: row.last_seen,
      running: row.running,
      reported:
        row.reported_change === null ? null : { change: row.reported_change, outcome: readOutcome(row.outcome) },
      rejects: row.rejects !== null,
      held: row.holder !== null,
    };
    return { machine, closure: row.closure, state: memberState(row), live: row.live === 1 };
  });
}

/** Most machines say the same, which is read once. */
function outcomeReader(): (json: string | null) => Outcome {
  const known = new Map<string | null, Outcome>();
  return (json) => {
    const outcome = known.get(json) ?? outcomeSchema.parse(JSON.parse(json ?? "null"));
    known.set(json, outcome);
    return outcome;
  };
}
