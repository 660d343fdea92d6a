/** The machines, for operators. */
import { z } from "zod";
import { MOST_TAGS } from "../../tag.ts";
import { target } from "../../wire/desired.ts";
import { closurePath, counter, machineName, releaseId, tag, tags, text } from "../../wire/names.ts";
import { outcome, report } from "../../wire/report.ts";
import type { Change } from "../store/database.ts";
import { createMachine, forgetMachine, LIFECYCLES, setLifecycle } from "../store/machines.ts";
import { giveTags, type Tags, tagsOf } from "../store/tags.ts";
import { revokeCertificates } from "./agent-routes.ts";
import { page, pageOf, pageQuery } from "./page.ts";
import { Refusal } from "./refusal.ts";
import { noBody, noParams, noQuery, route } from "./route.ts";
import { newSecret } from "./secret.ts";

const lifecycle = z.enum(["pending", "provisioning", "active", "maintenance", "decommissioned"]);
const params = z.strictObject({ machine: machineName });

const summary = z.strictObject({
  name: machineName,
  lifecycle,
  /** An operator's, and those that the host declares. */
  tags: z.array(tag).max(2 * MOST_TAGS),
  declaredTags: tags,
  running: closurePath.nullable(),
  release: releaseId.nullable(),
  /** What it should run. */
  target,
  /** The number of that order, the last that its agent has fetched, and the one that it last spoke of. */
  change: counter,
  fetched: counter,
  reported: counter.nullable(),
  outcome: outcome.nullable(),
  drift: report.shape.drift,
  /** When it was last heard of. */
  seen: text(30).nullable(),
});

const rejection = z.strictObject({ release: releaseId, why: text(1000), at: text(30) });
const whole = z.strictObject({
  ...summary.shape,
  report: report.nullable(),
  rejections: z.array(rejection).max(1000),
  rollout: text(36).nullable(),
});
const event = z.strictObject({ id: counter, at: text(30), kind: text(30), detail: z.unknown() });
const token = z.strictObject({ token: text(200), expires: text(30) });

export const machineRoutes = [
  route({
    method: "get",
    path: "/machines",
    who: "readonly",
    summary: "The machines, by name.",
    params: noParams,
    query: z.strictObject({
      ...pageQuery,
      tag: tag.optional(),
      lifecycle: lifecycle.optional(),
      outcome: text(20).optional(),
    }),
    body: noBody,
    answer: pageOf(summary),
    status: 200,
    handle: async ({ db, query }) => {
      let found = db
        .selectFrom("machines")
        .selectAll()
        .orderBy("name")
        .limit(query.limit + 1);
      const { tag: wanted } = query;
      if (query.cursor !== undefined) found = found.where("name", ">", query.cursor);
      if (query.lifecycle !== undefined) found = found.where("lifecycle", "=", query.lifecycle);
      if (query.outcome !== undefined) found = found.where("outcome_kind", "=", query.outcome);
      if (wanted !== undefined) {
        found = found.where("name", "in", (eb) =>
          eb.selectFrom("machine_tags").select("machine").where("tag", "=", wanted),
        );
      }
      const rows = await found.execute();
      const named = await tagsOf(
        db,
        rows.slice(0, query.limit).map(({ name }) => name),
      );
      return {
        status: 200,
        body: page(
          rows,
          query.limit,
          ({ name }) => name,
          (row) => shown(row, named(row.name)),
        ),
      };
    },
  }),
  route({
    method: "post",
    path: "/machines",
    who: "deploy",
    summary: "Makes a machine known, before it enrols.",
    params: noParams,
    query: noQuery,
    body: z.strictObject({ name: machineName, tags: tags.default([]) }),
    answer: summary,
    status: 201,
    handle: async ({ db, body, now }) => {
      const known = await db.selectFrom("machines").select("name").where("name", "=", body.name).executeTakeFirst();
      if (known !== undefined) throw new Refusal(409, `there is a machine ${body.name} already`);
      await createMachine(db, body.name, new Date(now).toISOString());
      await giveTags(db, body.name, body.tags);
      const after = { tags: body.tags };
      return {
        status: 201,
        body: await machine(db, body.name),
        audit: { action: "machine.create", subject: body.name, after },
      };
    },
  }),
  route({
    method: "get",
    path: "/machines/:machine",
    who: "readonly",
    summary: "One machine: its last report, what it has rejected, and which rollout has it.",
    params,
    query: noQuery,
    body: noBody,
    answer: whole,
    status: 200,
    handle: async ({ db, params: { machine: name } }) => {
      const row = await found(db, name);
      const member = db.selectFrom("members").select("rollout").where("machine", "=", name).where("live", "=", 1);
      const rejections = db.selectFrom("rejections").select(["release", "why", "at"]).where("machine", "=", name);
      return {
        status: 200,
        body: {
          ...(await machine(db, name)),
          report: row.report === null ? null : JSON.parse(row.report),
          rejections: await rejections.orderBy("at", "desc").limit(1000).execute(),
          rollout: (await member.executeTakeFirst())?.rollout ?? null,
        },
      };
    },
  }),
  route({
    method: "get",
    path: "/machines/:machine/events",
    who: "readonly",
    summary: "What has happened on it, the newest first.",
    params,
    query: z.strictObject(pageQuery),
    body: noBody,
    answer: pageOf(event),
    status: 200,
    handle: async ({ db, params: { machine: name }, query }) => {
      await found(db, name);
      let rows = db.selectFrom("events").select(["id", "at", "kind", "detail"]).where("machine", "=", name);
      if (query.cursor !== undefined) rows = rows.where("id", "<", numbered(query.cursor));
      const list = await rows
        .orderBy("id", "desc")
        .limit(query.limit + 1)
        .execute();
      const body = page(
        list,
        query.limit,
        ({ id }) => String(id),
        ({ detail, ...row }) => ({ ...row, detail: JSON.parse(detail) }),
      );
      return { status: 200, body };
    },
  }),
  route({
    method: "put",
    path: "/machines/:machine/tags",
    who: "deploy",
    summary: "Gives it these tags and no others, beside those that its host declares.",
    params,
    query: noQuery,
    body: z.strictObject({ tags }),
    answer: summary,
    status: 200,
    handle: async ({ db, params: { machine: name }, body }) => {
      await found(db, name);
      const before = await giveTags(db, name, body.tags);
      return {
        status: 200,
        body: await machine(db, name),
        audit: { action: "machine.tags", subject: name, before, after: body.tags },
      };
    },
  }),
  route({
    method: "put",
    path: "/machines/:machine/lifecycle",
    who: "deploy",
    summary:
      "pending → provisioning → active ⇄ maintenance → decommissioned, which is for good and revokes its certificates.",
    params,
    query: noQuery,
    body: z.strictObject({ lifecycle }),
    answer: summary,
    status: 200,
    handle: async ({ db, params: { machine: name }, body: { lifecycle: to }, now }) => {
      const { lifecycle: from } = await found(db, name);
      if (!LIFECYCLES[from].includes(to)) {
        const may = LIFECYCLES[from].length === 0 ? "nothing else" : LIFECYCLES[from].join(" or ");
        throw new Refusal(409, `${name} is ${from}: it can become ${may}`);
      }
      if (!(await setLifecycle(db, name, from, to))) throw new Refusal(409, `${name} has just become something else`);
      if (to === "decommissioned") {
        await revokeCertificates(db, name, now);
        await db.deleteFrom("tokens").where("machine", "=", name).execute();
      }
      return {
        status: 200,
        body: await machine(db, name),
        audit: { action: "machine.lifecycle", subject: name, before: from, after: to },
      };
    },
  }),
  route({
    method: "post",
    path: "/machines/:machine/token",
    who: "admin",
    summary:
      "A token that enrols this machine, once and soon. It is shown now and never again; one from before is void.",
    params,
    query: noQuery,
    body: noBody,
    answer: token,
    status: 201,
    handle: async ({ db, params: { machine: name }, now, settings }) => {
      const { lifecycle: from } = await found(db, name);
      if (from === "decommissioned") throw new Refusal(409, `${name} is decommissioned`);
      await setLifecycle(db, name, "pending", "provisioning");
      const secret = newSecret("nfe");
      const expires = new Date(now + settings.tokenLife * 1000).toISOString();
      await db.deleteFrom("tokens").where("machine", "=", name).execute();
      await db.insertInto("tokens").values({ hash: secret.hash, machine: name, expires }).execute();
      return {
        status: 201,
        body: { token: secret.text, expires },
        secret: true,
        audit: { action: "machine.token", subject: name, after: { expires } },
      };
    },
  }),
  route({
    method: "post",
    path: "/machines/:machine/revoke",
    who: "admin",
    summary: "Its certificates and its token are good for nothing from now on. To come back it needs a new token.",
    params,
    query: noQuery,
    body: noBody,
    answer: z.strictObject({ certificates: counter }),
    status: 200,
    handle: async ({ db, params: { machine: name }, now }) => {
      await found(db, name);
      await db.deleteFrom("tokens").where("machine", "=", name).execute();
      const certificates = await revokeCertificates(db, name, now);
      return {
        status: 200,
        body: { certificates },
        audit: { action: "machine.revoke", subject: name, after: { certificates } },
      };
    },
  }),
  route({
    method: "delete",
    path: "/machines/:machine/rejections/:release",
    who: "deploy",
    summary: "Lets the release be tried on it again.",
    params: z.strictObject({ machine: machineName, release: releaseId }),
    query: noQuery,
    body: noBody,
    answer: null,
    status: 204,
    handle: async ({ db, params: { machine: name, release } }) => {
      const gone = await db
        .deleteFrom("rejections")
        .where("machine", "=", name)
        .where("release", "=", release)
        .returningAll()
        .executeTakeFirst();
      if (gone === undefined) throw new Refusal(404, `${name} has not rejected that release`);
      return { status: 204, audit: { action: "machine.clear", subject: name, before: { release, why: gone.why } } };
    },
  }),
  route({
    method: "delete",
    path: "/machines/:machine",
    who: "admin",
    summary: "Forgets a machine that is decommissioned, or has never enrolled.",
    params,
    query: noQuery,
    body: noBody,
    answer: null,
    status: 204,
    handle: async ({ db, params: { machine: name } }) => {
      const { lifecycle: from } = await found(db, name);
      if (from !== "decommissioned" && from !== "pending")
        throw new Refusal(409, `${name} is ${from}: decommission it first`);
      await forgetMachine(db, name);
      return { status: 204, audit: { action: "machine.forget", subject: name, before: from } };
    },
  }),
];

async function found(db: Change, name: string) {
  const row = await db.selectFrom("machines").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw new Refusal(404, `there is no machine ${name}`);
  return row;
}

async function machine(db: Change, name: string) {
  return shown(await found(db, name), (await tagsOf(db, [name]))(name));
}

function shown(row: Awaited<ReturnType<typeof found>>, tags: Tags) {
  const { name, running, change, fetched } = row;
  return {
    name,
    lifecycle: row.lifecycle,
    ...tags,
    running,
    release: row.running_release,
    target: JSON.parse(row.target),
    change,
    fetched,
    reported: row.reported_change,
    outcome: row.outcome === null ? null : JSON.parse(row.outcome),
    drift: row.report === null ? null : JSON.parse(row.report).drift,
    seen: row.seen_at,
  };
}

export function numbered(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw new Refusal(422, "the cursor is none that a page has given");
  return Number(cursor);
}
