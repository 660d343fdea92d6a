/** Who sends a request: an agent by its certificate, an operator by an API key. */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { Query } from "../store/database.ts";
import { ROLES } from "../store/schema.ts";
import { Refusal } from "./refusal.ts";
import type { Caller, Who } from "./route.ts";
import { hashOf } from "./secret.ts";

/** @throws Refusal if it may not use the route @param now in milliseconds */
export async function identify(db: Query, who: Who, request: IncomingMessage, now: number): Promise<Caller> {
  switch (who) {
    case "anyone":
      return { kind: "anyone" };
    case "agent":
      return await agent(db, request, now);
    default: {
      const caller = await keyHolder(db, request, now);
      if (ROLES.indexOf(caller.role) < ROLES.indexOf(who)) {
        throw new Refusal(403, `the key ${caller.name} is ${caller.role}, and this wants ${who}`);
      }
      return caller;
    }
  }
}

async function agent(db: Query, { socket }: IncomingMessage, now: number): Promise<Caller & { kind: "agent" }> {
  // `authorized`: our own authority has signed it, and it is neither too early nor too late for it.
  if (!(socket instanceof TLSSocket) || !socket.authorized)
    throw new Refusal(401, "this is for agents, with their certificate");
  const certificate = socket.getPeerX509Certificate();
  const serial = (certificate?.serialNumber ?? "").toLowerCase();
  const row = await db.selectFrom("certificates").selectAll().where("serial", "=", serial).executeTakeFirst();
  if (row === undefined || certificate?.subject !== `CN=${row.machine}` || row.expires <= new Date(now).toISOString()) {
    throw new Refusal(401, "this certificate is not one that is good here");
  }
  if (row.revoked !== null)
    throw new Refusal(401, `this certificate was revoked at ${row.revoked}: the host needs a new token to enrol`);
  return { kind: "agent", machine: row.machine, serial };
}

async function keyHolder(db: Query, { headers }: IncomingMessage, now: number): Promise<Caller & { kind: "key" }> {
  const [, text] = /^Bearer (nfk_[0-9a-f]{12}_[\w-]{43})$/.exec(headers.authorization ?? "") ?? [];
  if (text === undefined) throw new Refusal(401, "this wants an API key, as Authorization: Bearer nfk_…");
  // Found by the hash of 256 random bits: how long that takes says nothing of any key.
  const row = await db.selectFrom("keys").selectAll().where("hash", "=", hashOf(text)).executeTakeFirst();
  if (row === undefined || row.revoked !== null || row.expires <= new Date(now).toISOString()) {
    throw new Refusal(401, "this API key is not one that is good here: it is unknown, revoked or expired");
  }
  return { kind: "key", id: row.id, name: row.name, role: row.role };
}
