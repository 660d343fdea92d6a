/** API keys, and the record of who did what. */
import { z } from "zod";
import { counter, text } from "../../wire/names.ts";
import type { Change } from "../store/database.ts";
import { type KeyRow, ROLES, type Role } from "../store/schema.ts";
import { numbered } from "./machine-routes.ts";
import { page, pageOf, pageQuery } from "./page.ts";
import { Refusal } from "./refusal.ts";
import { noBody, noParams, noQuery, route } from "./route.ts";
import { newSecret } from "./secret.ts";

const role = z.enum(ROLES);
const keyId = z.string().regex(/^[0-9a-f]{12}$/, "wanted a key's id: 12 hexadecimal digits");
const name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\p{C}]+$/u, "wanted a name without control characters");
const key = z.strictObject({
  id: keyId,
  name: text(100),
  role,
  created: text(30),
  expires: text(30),
  revoked: text(30).nullable(),
});
const entry = z.strictObject({
  id: counter,
  at: text(30),
  who: text(200),
  action: text(50),
  subject: text(200),
  before: z.unknown(),
  after: z.unknown(),
});
const DAY = 86_400_000;

export const keyRoutes = [
  route({
    method: "get",
    path: "/keys",
    who: "admin",
    summary: "The API keys, without their secrets.",
    params: noParams,
    query: z.strictObject(pageQuery),
    body: noBody,
    answer: pageOf(key),
    status: 200,
    handle: async ({ db, query }) => {
      let rows = db
        .selectFrom("keys")
        .selectAll()
        .orderBy("id")
        .limit(query.limit + 1);
      if (query.cursor !== undefined) rows = rows.where("id", ">", query.cursor);
      return { status: 200, body: page(await rows.execute(), query.limit, ({ id }) => id, shown) };
    },
  }),
  route({
    method: "post",
    path: "/keys",
    who: "admin",
    summary: "A new key. It is shown now and never again.",
    params: noParams,
    query: noQuery,
    body: z.strictObject({ name, role, days: z.int().min(1).max(3650).default(365) }),
    answer: z.strictObject({ ...key.shape, key: text(200) }),
    status: 201,
    handle: async ({ db, body, now }) => {
      const { row, text: secret } = await createKey(db, { ...body, now });
      const after = { name: row.name, role: row.role, expires: row.expires };
      return {
        status: 201,
        body: { ...shown(row), key: secret },
        secret: true,
        audit: { action: "key.create", subject: row.id, after },
      };
    },
  }),
  route({
    method: "delete",
    path: "/keys/:key",
    who: "admin",
    summary: "Revokes a key.",
    params: z.strictObject({ key: keyId }),
    query: noQuery,
    body: noBody,
    answer: null,
    status: 204,
    handle: async ({ db, params, now }) => {
      const revoked = new Date(now).toISOString();
      const update = db.updateTable("keys").set({ revoked }).where("id", "=", params.key).where("revoked", "is", null);
      if ((await update.executeTakeFirst()).numUpdatedRows !== 1n)
        throw new Refusal(404, `there is no key ${params.key} that is good`);
      return { status: 204, audit: { action: "key.revoke", subject: params.key } };
    },
  }),
  route({
    method: "get",
    path: "/audit",
    who: "admin",
    summary: "Who changed what, the newest first; as JSON, or as CSV with `format=csv`.",
    params: noParams,
    query: z.strictObject({
      ...pageQuery,
      who: text(200).optional(),
      action: text(50).optional(),
      subject: text(200).optional(),
      format: z.enum(["json", "csv"]).default("json"),
    }),
    body: noBody,
    answer: pageOf(entry),
    status: 200,
    handle: async ({ db, query }) => {
      let rows = db
        .selectFrom("audit")
        .selectAll()
        .orderBy("id", "desc")
        .limit(query.limit + 1);
      if (query.cursor !== undefined) rows = rows.where("id", "<", numbered(query.cursor));
      for (const column of ["who", "action", "subject"] as const) {
        const wanted = query[column];
        if (wanted !== undefined) rows = rows.where(column, "=", wanted);
      }
      const list = await rows.execute();
      if (query.format === "csv") {
        const lines = list
          .slice(0, query.limit)
          .map(({ id, at, who, action, subject, before, after }) =>
            [String(id), at, who, action, subject, before ?? "", after ?? ""].map(cell).join(","),
          );
        return {
          status: 200,
          text: { type: "text/csv", content: ["id,at,who,action,subject,before,after", ...lines, ""].join("\r\n") },
        };
      }
      const item = ({ before, after, ...row }: (typeof list)[number]) => ({
        ...row,
        before: parsed(before),
        after: parsed(after),
      });
      return { status: 200, body: page(list, query.limit, ({ id }) => String(id), item) };
    },
  }),
];

export async function createKey(
  db: Change,
  { name: called, role: as, days, now }: { name: string; role: Role; days: number; now: number },
) {
  const { id, hash, text: secret } = newSecret("nfk");
  const created = new Date(now).toISOString();
  const row = {
    id,
    name: called,
    role: as,
    hash,
    created,
    expires: new Date(now + days * DAY).toISOString(),
    revoked: null,
  };
  await db.insertInto("keys").values(row).execute();
  return { row, text: secret };
}

function shown({ hash: _, ...row }: KeyRow) {
  return row;
}

function parsed(json: string | null): unknown {
  return json === null ? null : JSON.parse(json);
}

/** As RFC 4180 has it. A spreadsheet takes what begins like a formula as text. */
function cell(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
