/** Begins rollouts, and tells them what a person says. */

import type { RolloutRequest } from "../../wire/rollout.ts";
import { COMMANDS, type RolloutCommand } from "../decide/command.ts";
import type { Change } from "./database.ts";

export class Refused extends Error {}

export interface NewRollout {
  readonly id: string;
  readonly request: RolloutRequest;
  readonly by: string;
  readonly at: string;
}

/** @returns how many machines it is for @throws Refused */
export async function createRollout(change: Change, { id, request, by, at }: NewRollout): Promise<number> {
  const release = await change.selectFrom("releases").select("id").where("id", "=", request.release).executeTakeFirst();
  if (release === undefined) throw new Refused(`there is no release ${request.release}`);
  const chosen = await chosenMachines(change, request);
  if (chosen.length === 0) throw new Refused("none of the release's machines is chosen");
  const values = { id, release: request.release, status: "pending", why: "", version: 0, wave: 0 } as const;
  await change
    .insertInto("rollouts")
    .values({
      ...values,
      request: JSON.stringify({ ...request, machines: { kind: "all" } }),
      created: at,
      created_by: by,
    })
    .execute();
  for (const part of parts(chosen)) {
    await takeOver(
      change,
      part.map(({ machine }) => machine),
    );
    const rows = part.map(({ machine, closure }) => ({
      rollout: id,
      machine,
      closure,
      state: "waiting" as const,
      forgiven: 0,
      live: 1,
    }));
    await change.insertInto("members").values(rows).execute();
  }
  return chosen.length;
}

async function chosenMachines(change: Change, { release, machines }: RolloutRequest) {
  let query = change
    .selectFrom("release_hosts as host")
    .innerJoin("machines", "machines.name", "host.machine")
    .select(["host.machine", "host.closure"])
    .where("host.release", "=", release)
    .where("machines.lifecycle", "!=", "decommissioned");
  if (machines.kind === "tagged") {
    const { tags } = machines;
    query = query.where("host.machine", "in", (eb) =>
      eb.selectFrom("machine_tags").select("machine").where("tag", "in", tags),
    );
  }
  const found = await query.orderBy("host.machine").execute();
  if (machines.kind !== "named") return found;
  const byName = new Map(found.map((one) => [one.machine, one]));
  return [...new Set(machines.names)].map((name) => {
    const one = byName.get(name);
    if (one === undefined)
      throw new Refused(`${name}: no such machine, it is decommissioned, or the release has nothing for it`);
    return one;
  });
}

/** Who waits to be caught up with by a rollout that is done waits for this one now. Any other rollout is to be ended first. */
async function takeOver(change: Change, machines: readonly string[]): Promise<void> {
  const holders = await change
    .selectFrom("members")
    .innerJoin("rollouts", "rollouts.id", "members.rollout")
    .select(["members.machine", "members.state", "members.rollout", "rollouts.status"])
    .where("members.live", "=", 1)
    .where("members.machine", "in", machines)
    .execute();
  const other = holders.find(({ status, state }) => status !== "done" || state !== "waiting");
  if (other !== undefined) {
    const isOver = other.status === "cancelled" || other.status === "failed";
    const what = isOver ? " and lets it go in a moment: try again" : ": cancel it, or wait";
    throw new Refused(`${other.machine} is in rollout ${other.rollout}, which is ${other.status}${what}`);
  }
  if (holders.length === 0) return;
  const left = { state: "left", why: "another rollout has taken it over", live: 0 } as const;
  await change
    .updateTable("members")
    .set(left)
    .where("live", "=", 1)
    .where("state", "=", "waiting")
    .where("machine", "in", machines)
    .execute();
}

/** So many that no database has too many parameters in one statement. */
function* parts<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let begin = 0; begin < all.length; begin += 500) yield all.slice(begin, begin + 500);
}

/** @returns what it was and what it is @throws Refused */
export async function commandRollout(change: Change, id: string, command: RolloutCommand) {
  const row = await change.selectFrom("rollouts").select(["status", "version"]).where("id", "=", id).executeTakeFirst();
  if (row === undefined) return null;
  const { from, to } = COMMANDS[command];
  const { numUpdatedRows } = await change
    .updateTable("rollouts")
    .set({ status: to, version: row.version + 1, why: command === "revert" ? "by hand" : "", counts: null })
    .where("id", "=", id)
    .where("version", "=", row.version)
    .where("status", "in", [...from])
    .executeTakeFirst();
  if (numUpdatedRows !== 1n)
    throw new Refused(`the rollout is ${row.status}: it can be told to ${command} while it is ${from.join(" or ")}`);
  if (command === "resume") {
    await change
      .updateTable("members")
      .set({ forgiven: 1 })
      .where("rollout", "=", id)
      .where("state", "in", ["failed", "rejected"])
      .execute();
  }
  return { before: row.status, after: to };
}
