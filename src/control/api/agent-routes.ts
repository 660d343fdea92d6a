/** What agents may: each for its own machine, which its certificate names. */
import { z } from "zod";
import { desired, target } from "../../wire/desired.ts";
import { certificate, enrol, renew } from "../../wire/enrolment.ts";
import { WIRE_VERSION } from "../../wire/names.ts";
import { report } from "../../wire/report.ts";
import type { Change } from "../store/database.ts";
import { fetchTarget, hear } from "../store/machines.ts";
import { Refusal } from "./refusal.ts";
import { type Call, noBody, noParams, noQuery, route, type Settings } from "./route.ts";
import { hashOf } from "./secret.ts";

const heard = z.strictObject({ kept: z.boolean() });

export const agentRoutes = [
  route({
    method: "get",
    path: "/agent/desired",
    who: "agent",
    summary: "What this machine should run. From now on it counts as told.",
    params: noParams,
    query: noQuery,
    body: noBody,
    answer: desired,
    status: 200,
    handle: async ({ db, caller, settings }) => {
      const machine = machineOf(caller);
      const told = await fetchTarget(db, machine);
      if (told === null) throw new Refusal(403, "this machine is no longer known here");
      const held = await db
        .selectFrom("members")
        .select("state")
        .where("machine", "=", machine)
        .where("live", "=", 1)
        .executeTakeFirst();
      // Until somebody reboots it, which may be in a month, there is no hurry.
      const isRestful = held === undefined || held.state === "installed";
      const askAgain = isRestful ? settings.askAgain : settings.askAgainSoon;
      return {
        status: 200,
        body: { version: WIRE_VERSION, change: told.change, target: target.parse(told.target), askAgain },
      };
    },
  }),
  route({
    method: "post",
    path: "/agent/report",
    who: "agent",
    summary: "What this machine runs and how it is. A report that is older than one that is here changes nothing.",
    params: noParams,
    query: noQuery,
    body: report,
    answer: heard,
    status: 200,
    isRepeated: true,
    handle: async ({ db, caller, body, now }) => ({
      status: 200,
      body: { kept: await hear(db, machineOf(caller), body, new Date(now).toISOString()) },
    }),
  }),
  route({
    method: "post",
    path: "/agent/enrol",
    who: "anyone",
    summary: "Takes a token that was made for this machine, once, and gives a certificate for the key of the request.",
    params: noParams,
    query: noQuery,
    body: enrol,
    answer: certificate,
    status: 201,
    handle: async ({ db, body, now, settings }) => {
      const { machine, token, request } = body;
      // It is used up whatever comes of it, and whoever tries learns nothing of which part was wrong.
      const used = await db.deleteFrom("tokens").where("hash", "=", hashOf(token)).returningAll().executeTakeFirst();
      if (used === undefined || used.machine !== machine || used.expires <= new Date(now).toISOString()) {
        throw new Refusal(403, "the token is not one for this machine, was used before, or has expired", [], true);
      }
      const row = await db.selectFrom("machines").select("lifecycle").where("name", "=", machine).executeTakeFirst();
      if (row === undefined || row.lifecycle === "decommissioned")
        throw new Refusal(403, "the machine is decommissioned");
      // A new agent counts its reports from the beginning. Whoever had a certificate of this machine before has none now.
      await db.updateTable("machines").set({ sequence: null }).where("name", "=", machine).execute();
      await db
        .updateTable("machines")
        .set({ lifecycle: "active" })
        .where("name", "=", machine)
        .where("lifecycle", "in", ["pending", "provisioning"])
        .execute();
      await revokeCertificates(db, machine, now);
      return {
        status: 201,
        body: await issue({ db, now, settings }, machine, request),
        audit: { action: "machine.enrol", subject: machine, before: row.lifecycle },
      };
    },
  }),
  route({
    method: "post",
    path: "/agent/renew",
    who: "agent",
    summary: "A new certificate before the old one expires, which stays good until then.",
    params: noParams,
    query: noQuery,
    body: renew,
    answer: certificate,
    status: 201,
    handle: async ({ db, caller, body, now, settings }) => {
      const machine = machineOf(caller);
      return {
        status: 201,
        body: await issue({ db, now, settings }, machine, body.request),
        audit: { action: "machine.renew", subject: machine },
      };
    },
  }),
];

function machineOf(caller: Call<unknown, unknown, unknown>["caller"]): string {
  if (caller.kind !== "agent") throw new Refusal(401, "this is for agents, with their certificate");
  return caller.machine;
}

export async function revokeCertificates(db: Change, machine: string, now: number): Promise<number> {
  const revoked = new Date(now).toISOString();
  const { numUpdatedRows } = await db
    .updateTable("certificates")
    .set({ revoked })
    .where("machine", "=", machine)
    .where("revoked", "is", null)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

async function issue(
  { db, now, settings }: { db: Change; now: number; settings: Settings },
  machine: string,
  request: string,
) {
  const issued = await settings.authority.agentCertificate(request, machine, now);
  if (issued === null) {
    throw new Refusal(422, "the request is not signed by its own key, or that is not ECDSA on P-256");
  }
  const { serial, notAfter } = issued;
  await db
    .insertInto("certificates")
    .values({ serial, machine, expires: notAfter.toISOString(), revoked: null })
    .execute();
  return {
    version: WIRE_VERSION,
    certificate: issued.certificate,
    authority: settings.authority.certificate,
    notAfter: notAfter.toISOString(),
    renewAfter: new Date(now + (notAfter.getTime() - now) / 2).toISOString(),
  };
}
