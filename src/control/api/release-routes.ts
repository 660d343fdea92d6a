/** The releases that the control plane knows. It signs none, and needs to believe none: hosts do that by themselves. */
import { z } from "zod";
import { releaseIdOf } from "../../release/release-id.ts";
import { closurePath, counter, machineName, moment, releaseId, text } from "../../wire/names.ts";
import { release } from "../../wire/release.ts";
import type { Change } from "../store/database.ts";
import { numbered } from "./machine-routes.ts";
import { page, pageOf, pageQuery } from "./page.ts";
import { Refusal } from "./refusal.ts";
import { noBody, noParams, noQuery, route } from "./route.ts";

const summary = z.strictObject({
  id: releaseId,
  sequence: counter,
  commit: text(64).nullable(),
  created: moment,
  note: text(1000),
  hosts: counter,
});
const params = z.strictObject({ release: releaseId });
const changed = z.strictObject({ machine: machineName, before: closurePath.nullable(), after: closurePath.nullable() });

export const releaseRoutes = [
  route({
    method: "get",
    path: "/releases",
    who: "readonly",
    summary: "The releases, the newest first.",
    params: noParams,
    query: z.strictObject(pageQuery),
    body: noBody,
    answer: pageOf(summary),
    status: 200,
    handle: async ({ db, query }) => {
      let rows = summaries(db)
        .orderBy("sequence", "desc")
        .limit(query.limit + 1);
      if (query.cursor !== undefined) rows = rows.where("sequence", "<", numbered(query.cursor));
      const list = await rows.execute();
      return {
        status: 200,
        body: page(
          list,
          query.limit,
          ({ sequence }) => String(sequence),
          (row) => row,
        ),
      };
    },
  }),
  route({
    method: "post",
    path: "/releases",
    who: "deploy",
    summary: "Makes a release known. Its name is the digest of what it says, so sending it again changes nothing.",
    params: noParams,
    query: noQuery,
    body: release,
    answer: summary,
    status: 201,
    limit: 8 * 1024 * 1024,
    handle: async ({ db, body }) => {
      const { id, sequence, commit, created, note, hosts } = body;
      if (releaseIdOf(body) !== id) throw new Refusal(422, "the release's name is not the digest of what it says");
      const known = await db
        .selectFrom("releases")
        .select(["id", "sequence"])
        .where((eb) => eb.or([eb("id", "=", id), eb("sequence", "=", sequence)]))
        .executeTakeFirst();
      if (known !== undefined && known.id !== id)
        throw new Refusal(409, `release ${known.id} has the number ${sequence}`);
      if (known === undefined) {
        const rows = Object.entries(hosts).map(([machine, closure]) => ({ release: id, machine, closure }));
        const values = { id, sequence, commit_id: commit, created, note, hosts: rows.length };
        await db.insertInto("releases").values(values).execute();
        for (let begin = 0; begin < rows.length; begin += 500) {
          await db
            .insertInto("release_hosts")
            .values(rows.slice(begin, begin + 500))
            .execute();
        }
      }
      const audit = { action: "release.create", subject: id, after: { sequence, hosts: Object.keys(hosts).length } };
      return { status: 201, body: await found(db, id), audit };
    },
  }),
  route({
    method: "get",
    path: "/releases/:release",
    who: "readonly",
    summary: "One release, with the closure of each host.",
    params,
    query: noQuery,
    body: noBody,
    answer: z.strictObject({ ...summary.shape, closures: z.record(machineName, closurePath) }),
    status: 200,
    handle: async ({ db, params: { release: id } }) => ({
      status: 200,
      body: { ...(await found(db, id)), closures: Object.fromEntries(await closures(db, id)) },
    }),
  }),
  route({
    method: "get",
    path: "/releases/:release/diff/:other",
    who: "readonly",
    summary: "Which hosts another release would change, and how.",
    params: z.strictObject({ release: releaseId, other: releaseId }),
    query: noQuery,
    body: noBody,
    answer: z.strictObject({ changes: z.array(changed).max(40_000) }),
    status: 200,
    handle: async ({ db, params: { release: id, other } }) => {
      await found(db, id);
      await found(db, other);
      const [before, after] = [await closures(db, id), await closures(db, other)];
      const names = [...new Set([...before.keys(), ...after.keys()])].sort();
      const changes = names.map((machine) => ({
        machine,
        before: before.get(machine) ?? null,
        after: after.get(machine) ?? null,
      }));
      return { status: 200, body: { changes: changes.filter((one) => one.before !== one.after) } };
    },
  }),
  route({
    method: "delete",
    path: "/releases/:release",
    who: "deploy",
    summary: "Forgets a release that no rollout is of.",
    params,
    query: noQuery,
    body: noBody,
    answer: null,
    status: 204,
    handle: async ({ db, params: { release: id } }) => {
      const { sequence } = await found(db, id);
      const used = await db.selectFrom("rollouts").select("id").where("release", "=", id).executeTakeFirst();
      if (used !== undefined) throw new Refusal(409, `rollout ${used.id} is of this release`);
      await db.deleteFrom("releases").where("id", "=", id).execute();
      return { status: 204, audit: { action: "release.delete", subject: id, before: { sequence } } };
    },
  }),
];

function summaries(db: Change) {
  return db.selectFrom("releases").select(["id", "sequence", "commit_id as commit", "created", "note", "hosts"]);
}

async function found(db: Change, id: string) {
  const row = await summaries(db).where("id", "=", id).executeTakeFirst();
  if (row === undefined) throw new Refusal(404, `there is no release ${id}`);
  return row;
}

async function closures(db: Change, id: string): Promise<ReadonlyMap<string, string>> {
  const rows = await db.selectFrom("release_hosts").select(["machine", "closure"]).where("release", "=", id).execute();
  return new Map(rows.map(({ machine, closure }) => [machine, closure]));
}
