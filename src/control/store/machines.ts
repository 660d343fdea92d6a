/** The machines: what they should run, and what they say. One row each, however much they say. */
import { type Target, target as targetSchema } from "../../wire/desired.ts";
import type { Report } from "../../wire/report.ts";
import type { Lifecycle } from "../decide/state.ts";
import type { Change } from "./database.ts";
import type { MachineRow } from "./schema.ts";
import { declareTags } from "./tags.ts";

export async function createMachine(change: Change, name: string, at: string): Promise<void> {
  // A machine that was forgotten may still say what it did with an order from then: no number is given twice.
  const { change_floor } = await change.selectFrom("clock").select("change_floor").executeTakeFirstOrThrow();
  await change
    .insertInto("machines")
    .values({
      name,
      lifecycle: "pending",
      created: at,
      change: change_floor,
      fetched: change_floor,
      target: JSON.stringify({ kind: "keep" } satisfies Target),
    })
    .execute();
}

/** @returns whether there was such a machine */
export async function forgetMachine(change: Change, name: string): Promise<boolean> {
  const row = await change.selectFrom("machines").select("change").where("name", "=", name).executeTakeFirst();
  if (row === undefined) return false;
  await change
    .updateTable("clock")
    .set({ change_floor: row.change + 1 })
    .where("change_floor", "<=", row.change)
    .execute();
  await voidDecisions(change, name);
  await change.deleteFrom("machines").where("name", "=", name).execute();
  return true;
}

/** Whatever was decided about the machine, and is not applied yet, never will be. It locks the rollouts first, as whoever applies does. */
async function voidDecisions(change: Change, name: string): Promise<void> {
  await change
    .updateTable("rollouts")
    .set((eb) => ({ version: eb("version", "+", 1), counts: null }))
    .where("id", "in", (eb) => eb.selectFrom("members").select("rollout").where("machine", "=", name))
    .execute();
}

/** What the machine should run. From now on it counts as told. */
export async function fetchTarget(change: Change, name: string): Promise<{ change: number; target: Target } | null> {
  for (;;) {
    const row = await change
      .selectFrom("machines")
      .select(["change", "fetched", "target"])
      .where("name", "=", name)
      .executeTakeFirst();
    if (row === undefined) return null;
    const told = { change: row.change, target: targetSchema.parse(JSON.parse(row.target)) };
    if (row.fetched === row.change) return told;
    const { numUpdatedRows } = await change
      .updateTable("machines")
      .set({ fetched: row.change })
      .where("name", "=", name)
      .where("change", "=", row.change)
      .executeTakeFirst();
    // Otherwise it has been told something else in this moment, which is read next.
    if (numUpdatedRows === 1n) return told;
  }
}

/** Keeps what the machine says, unless a later report of it is here. @returns whether it was kept */
export async function hear(change: Change, name: string, report: Report, at: string): Promise<boolean> {
  const { steady } = await change.selectFrom("clock").select("steady").executeTakeFirstOrThrow();
  const { sequence, running, outcome } = report;
  for (;;) {
    const before = await change
      .selectFrom("machines")
      .select(["sequence", "running", "outcome_kind", "report"])
      .where("name", "=", name)
      .executeTakeFirst();
    if (before === undefined || (before.sequence !== null && before.sequence >= sequence)) return false;
    const { numUpdatedRows } = await change
      .updateTable("machines")
      .set({ sequence, last_seen: steady, seen_at: at, running: running.closure, running_release: running.release })
      .set({
        reported_change: report.change,
        outcome: JSON.stringify(outcome),
        outcome_kind: outcome.kind,
        report: JSON.stringify(report),
      })
      .where("name", "=", name)
      .where("sequence", before.sequence === null ? "is" : "=", before.sequence)
      .executeTakeFirst();
    // Otherwise another report of it is here since this moment, and what is new is new beside that one.
    if (numUpdatedRows === 1n) {
      await keepNews(change, name, before, report, at);
      return true;
    }
  }
}

/** Most reports say what the one before did, which costs nothing more. */
async function keepNews(
  change: Change,
  machine: string,
  before: Pick<MachineRow, "running" | "outcome_kind" | "report">,
  report: Report,
  at: string,
): Promise<void> {
  const { running, outcome } = report;
  if (outcome.kind === "rejected") await reject(change, machine, outcome.release, outcome.why, at);
  const event = (kind: string, detail: unknown) =>
    change
      .insertInto("events")
      .values({ at, machine, kind, detail: JSON.stringify(detail) })
      .execute();
  if (before.running !== running.closure || before.outcome_kind !== outcome.kind) {
    await event(outcome.kind, { outcome, running: running.closure, change: report.change });
  }
  const declared: readonly string[] = before.report === null ? [] : (JSON.parse(before.report).tags ?? []);
  const { tags = [] } = report;
  if (JSON.stringify(declared) !== JSON.stringify(tags)) {
    await declareTags(change, machine, tags);
    await event("tags", { before: declared, after: tags });
  }
}

/** It may speak of an order from before the one that it has now. Of a release that is not, nothing is kept. */
async function reject(change: Change, machine: string, release: string, why: string, at: string): Promise<void> {
  const known = await change.selectFrom("releases").select("id").where("id", "=", release).executeTakeFirst();
  if (known === undefined) return;
  await change
    .insertInto("rejections")
    .values({ machine, release, why, at })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** What a lifecycle can become. */
export const LIFECYCLES: Readonly<Record<Lifecycle, readonly Lifecycle[]>> = {
  pending: ["provisioning", "decommissioned"],
  provisioning: ["active", "decommissioned"],
  active: ["maintenance", "decommissioned"],
  maintenance: ["active", "decommissioned"],
  decommissioned: [],
};

/** What was decided for the machine as it was before is void. @returns whether it was in `from` */
export async function setLifecycle(change: Change, name: string, from: Lifecycle, to: Lifecycle): Promise<boolean> {
  await voidDecisions(change, name);
  const update = change
    .updateTable("machines")
    .set({ lifecycle: to })
    .where("name", "=", name)
    .where("lifecycle", "=", from);
  return (await update.executeTakeFirst()).numUpdatedRows === 1n;
}
