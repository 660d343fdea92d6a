/** Rollouts, for operators. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { closurePath, counter, machineName, releaseId, rolloutId, text } from "../../wire/names.ts";
import { amount, type RolloutStatus, rolloutRequest, rolloutStatus } from "../../wire/rollout.ts";
import { COMMANDS, commandsIn, type RolloutCommand } from "../decide/command.ts";
import { wavesOf } from "../decide/waves.ts";
import type { Change } from "../store/database.ts";
import { type Counts, rolloutCounts } from "../store/rollout-counts.ts";
import { commandRollout, createRollout, Refused } from "../store/rollouts.ts";
import { page, pageOf, pageQuery } from "./page.ts";
import { Refusal } from "./refusal.ts";
import { type Caller, noBody, noParams, noQuery, route } from "./route.ts";

const params = z.strictObject({ rollout: rolloutId });
const summary = z.strictObject({
  id: rolloutId,
  release: releaseId,
  status: rolloutStatus,
  /** What it can be told in this status. */
  commands: z.array(z.enum(Object.keys(COMMANDS) as [RolloutCommand, ...RolloutCommand[]])),
  why: text(4000),
  /** Which wave is on, from 1, and how many machines have changed when each ends. */
  wave: counter,
  waves: z.array(amount).max(21),
  created: text(30),
  createdBy: text(200),
  /** How many machines are in which state. */
  machines: z.record(text(20), counter),
});
const member = z.strictObject({
  machine: machineName,
  closure: closurePath,
  state: z.enum([
    "waiting",
    "changing",
    "installed",
    "healthy",
    "failed",
    "rejected",
    "reverting",
    "reverted",
    "stuck",
    "left",
  ]),
  why: text(1000).nullable(),
});

export const rolloutRoutes = [
  route({
    method: "get",
    path: "/rollouts",
    who: "readonly",
    summary: "The rollouts, the newest first.",
    params: noParams,
    query: z.strictObject({ ...pageQuery, status: rolloutStatus.optional() }),
    body: noBody,
    answer: pageOf(summary),
    status: 200,
    handle: async ({ db, query }) => {
      let rows = db
        .selectFrom("rollouts")
        .selectAll()
        .orderBy("created", "desc")
        .orderBy("id", "desc")
        .limit(query.limit + 1);
      if (query.status !== undefined) rows = rows.where("status", "=", query.status);
      if (query.cursor !== undefined) {
        const [created = "", id = ""] = query.cursor.split(" ");
        rows = rows.where((eb) =>
          eb.or([eb("created", "<", created), eb.and([eb("created", "=", created), eb("id", "<", id)])]),
        );
      }
      const list = await rows.execute();
      const counts = await rolloutCounts(db, list);
      const body = page(
        list,
        query.limit,
        ({ created, id }) => `${created} ${id}`,
        (row) => shown(row, counts.get(row.id) ?? {}),
      );
      return { status: 200, body };
    },
  }),
  route({
    method: "post",
    path: "/rollouts",
    who: "deploy",
    summary: "Begins to bring a release to machines.",
    params: noParams,
    query: noQuery,
    body: rolloutRequest,
    answer: summary,
    status: 201,
    limit: 2 * 1024 * 1024,
    handle: async ({ db, body: request, caller, now }) => {
      const id = randomUUID();
      const by = nameOf(caller);
      const machines = await unlessRefused(() =>
        createRollout(db, { id, request, by, at: new Date(now).toISOString() }),
      );
      const audit = {
        action: "rollout.create",
        subject: id,
        after: { release: request.release, strategy: request.strategy, machines },
      };
      return { status: 201, body: await found(db, id), audit };
    },
  }),
  route({
    method: "get",
    path: "/rollouts/:rollout",
    who: "readonly",
    summary: "One rollout.",
    params,
    query: noQuery,
    body: noBody,
    answer: summary,
    status: 200,
    handle: async ({ db, params: { rollout: id } }) => ({ status: 200, body: await found(db, id) }),
  }),
  route({
    method: "get",
    path: "/rollouts/:rollout/machines",
    who: "readonly",
    summary: "Its machines, by name.",
    params,
    query: z.strictObject(pageQuery),
    body: noBody,
    answer: pageOf(member),
    status: 200,
    handle: async ({ db, params: { rollout: id }, query }) => {
      await found(db, id);
      let rows = db
        .selectFrom("members")
        .select(["machine", "closure", "state", "why"])
        .where("rollout", "=", id)
        .orderBy("machine");
      if (query.cursor !== undefined) rows = rows.where("machine", ">", query.cursor);
      const list = await rows.limit(query.limit + 1).execute();
      return {
        status: 200,
        body: page(
          list,
          query.limit,
          ({ machine }) => machine,
          ({ why, ...row }) => ({ ...row, why: row.state === "installed" ? "it waits for its next boot" : why }),
        ),
      };
    },
  }),
  ...commands([
    ["pause", "No other machine begins. Who has been told goes on."],
    ["resume", "Goes on after a pause. The failures until now are forgiven."],
    ["cancel", "Ends it. What has changed stays."],
    ["revert", "Each machine that it changed goes back to what it ran before."],
  ]),
];

function commands(all: readonly (readonly [RolloutCommand, string])[]) {
  return all.map(([command, says]) =>
    route({
      method: "post",
      path: `/rollouts/:rollout/${command}`,
      who: "deploy",
      summary: says,
      params,
      query: noQuery,
      body: noBody,
      answer: summary,
      status: 200,
      handle: async ({ db, params: { rollout: id } }) => {
        const done = await unlessRefused(() => commandRollout(db, id, command));
        if (done === null) throw new Refusal(404, `there is no rollout ${id}`);
        return {
          status: 200,
          body: await found(db, id),
          audit: { action: `rollout.${command}`, subject: id, ...done },
        };
      },
    }),
  );
}

export function nameOf(caller: Caller): string {
  switch (caller.kind) {
    case "anyone":
      return "somebody";
    case "agent":
      return `machine ${caller.machine}`;
    case "key":
      return `key ${caller.name}`;
  }
}

async function unlessRefused<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Refused) throw new Refusal(409, error.message);
    throw error;
  }
}

async function found(db: Change, id: string) {
  const row = await db.selectFrom("rollouts").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new Refusal(404, `there is no rollout ${id}`);
  return shown(row, (await rolloutCounts(db, [row])).get(id) ?? {});
}

function shown(
  row: {
    id: string;
    release: string;
    status: RolloutStatus;
    why: string;
    wave: number;
    request: string;
    created: string;
    created_by: string;
  },
  machines: Counts,
) {
  const { id, release, status, why, wave, created } = row;
  const waves = wavesOf(rolloutRequest.parse(JSON.parse(row.request)).strategy);
  return {
    id,
    release,
    status,
    commands: commandsIn(status),
    why: why.slice(0, 4000),
    wave: wave + 1,
    waves,
    created,
    createdBy: row.created_by,
    machines,
  };
}
