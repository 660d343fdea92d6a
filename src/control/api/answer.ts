/** Does what a request wants, in one transaction: what changes, its line in the audit log, and what is kept for whoever asks again. */
import { createHash } from "node:crypto";
import { writeAudit } from "../store/audit.ts";
import { type Change, changeLightly, type Database } from "../store/database.ts";
import { isConflict } from "../store/engine.ts";
import { Refusal } from "./refusal.ts";
import { nameOf } from "./rollout-routes.ts";
import type { Answer, Given, Route } from "./route.ts";

export interface Asked extends Omit<Given, "db"> {
  readonly idempotencyKey: string | null;
}

/** @throws Refusal */
export async function answer(db: Database, route: Route, asked: Asked): Promise<Answer> {
  let refusal: Refusal | null = null;
  try {
    const done = await transaction(db, route, async (change) => {
      try {
        return await once(change, route, asked);
      } catch (error) {
        // A token that was shown is used up, although the answer is no.
        if (!(error instanceof Refusal) || !error.keeps) throw error;
        refusal = error;
        return null;
      }
    });
    if (done !== null) return done;
  } catch (error) {
    if (isConflict(error)) throw new Refusal(409, "somebody else has just changed the same: try again");
    throw error;
  }
  throw refusal ?? new Error("neither an answer nor a refusal");
}

async function transaction<T>(db: Database, { isRepeated }: Route, act: (change: Change) => Promise<T>): Promise<T> {
  return isRepeated === true ? await changeLightly(db, act) : await db.transaction().execute(act);
}

async function once(db: Change, route: Route, asked: Asked): Promise<Answer> {
  const { idempotencyKey, caller } = asked;
  if (idempotencyKey === null || caller.kind !== "key" || route.method !== "post")
    return await audited(db, route, asked);
  const request = digest([route.path, asked.params, asked.body]);
  const before = await db
    .selectFrom("answers")
    .selectAll()
    .where("key_id", "=", caller.id)
    .where("idempotency_key", "=", idempotencyKey)
    .executeTakeFirst();
  if (before !== undefined) return again(before, request);
  const done = await audited(db, route, asked);
  const body = JSON.stringify(done.secret === true ? null : (done.body ?? null));
  const row = { key_id: caller.id, idempotency_key: idempotencyKey, request, status: done.status, body };
  await db
    .insertInto("answers")
    .values({ ...row, at: new Date(asked.now).toISOString() })
    .execute();
  return done;
}

function again(before: { request: string; status: number; body: string }, request: string): Answer {
  if (before.request !== request) throw new Refusal(422, "this Idempotency-Key was used with another request");
  const body: unknown = JSON.parse(before.body);
  if (body === null) throw new Refusal(409, "this was done before, and its answer, a secret, is shown only once");
  return { status: before.status === 201 ? 201 : 200, body };
}

async function audited(db: Change, route: Route, asked: Asked): Promise<Answer> {
  const done = await route.run({ ...asked, db });
  if (done.audit === undefined) return done;
  const { action, subject, before, after } = done.audit;
  // Who enrols is the machine, as soon as its token is good.
  const who = asked.caller.kind === "anyone" ? `machine ${subject}` : nameOf(asked.caller);
  await writeAudit(db, { at: new Date(asked.now).toISOString(), who, action, subject, before, after });
  return done;
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
