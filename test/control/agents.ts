/** Agents by the thousand: each has its own key and certificate, and asks and reports over TLS by the code of the real one. */
import { setTimeout as later } from "node:timers/promises";
import { z } from "zod";
import { send } from "../../src/agent/connection.ts";
import { type Identity, identityOf, requestFor } from "../../src/agent/identity.ts";
import { newSecret } from "../../src/control/api/secret.ts";
import { openDatabase } from "../../src/control/store/database.ts";
import { createMachine } from "../../src/control/store/machines.ts";
import { desired } from "../../src/wire/desired.ts";
import { WIRE_VERSION } from "../../src/wire/names.ts";
import { reportOf } from "./plane.ts";

export interface At {
  readonly url: string;
  readonly authority: string;
}

/** How long each request took, in milliseconds, and what went wrong. */
export interface Measured {
  readonly took: number[];
  readonly errors: string[];
}

const heard = z.strictObject({ kept: z.boolean() });
const CHECKS = Array.from({ length: 8 }, (_, index) => ({ name: `service ${index}`, passes: true, says: "active" }));

export class SimulatedAgent {
  readonly machine: string;
  readonly #token: string;
  #identity: Identity | null = null;
  #sequence = 0;
  /** The last report that the control plane has said it kept. */
  kept = 0;

  constructor(machine: string, token: string) {
    this.machine = machine;
    this.#token = token;
  }

  async enrol({ url, authority }: At, into: Measured): Promise<void> {
    const { machine } = this;
    const { request, key } = await requestFor(machine);
    const body = { version: WIRE_VERSION, machine, token: this.#token, request };
    const answer = await timed(into, () => send({ url, authority, identity: null }, "POST", "enrol", body));
    if (answer !== null) this.#identity = identityOf(answer, machine, key, authority);
  }

  /** What one run of the agent asks and says. */
  async poll({ url, authority }: At, into: Measured): Promise<void> {
    const connection = { url, authority, identity: this.#identity };
    const told = await timed(into, async () => desired.parse(await send(connection, "GET", "desired")));
    if (told === null) return;
    this.#sequence += 1;
    const report = reportOf(this.machine, {
      sequence: this.#sequence,
      change: told.change,
      checks: CHECKS,
      tags: ["site:berlin", "web"],
    });
    const answer = await timed(into, async () => heard.parse(await send(connection, "POST", "report", report)));
    if (answer?.kept === true) this.kept = this.#sequence;
  }
}

/** So many machines, each with a token, in the database of a control plane that does not run yet. */
export async function agentsIn(database: string, count: number): Promise<readonly SimulatedAgent[]> {
  const db = await openDatabase(database);
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  const agents = await db.transaction().execute(async (change) => {
    const made: SimulatedAgent[] = [];
    for (let index = 0; index < count; index++) {
      const machine = `m${index}`;
      const { text, hash } = newSecret("nfe");
      await createMachine(change, machine, new Date().toISOString());
      await change.insertInto("tokens").values({ hash, machine, expires }).execute();
      made.push(new SimulatedAgent(machine, text));
    }
    return made;
  });
  await db.destroy();
  return agents;
}

/** Each enrols once, so many a second. */
export async function enrolAll(agents: readonly SimulatedAgent[], at: At, perSecond: number): Promise<Measured> {
  const measured: Measured = { took: [], errors: [] };
  const begin = performance.now();
  await Promise.all(
    agents.map(async (agent, index) => {
      await later(Math.max(0, (index * 1000) / perSecond - (performance.now() - begin)));
      await agent.enrol(at, measured);
    }),
  );
  return measured;
}

/** Each polls so many times, its first time anywhere within `every` seconds. */
export async function pollAll(
  agents: readonly SimulatedAgent[],
  at: At,
  { every, times }: { readonly every: number; readonly times: number },
): Promise<Measured> {
  const measured: Measured = { took: [], errors: [] };
  const begin = performance.now();
  await Promise.all(
    agents.map(async (agent, index) => {
      for (let turn = 0; turn < times; turn++) {
        const due = (index / agents.length + turn) * every * 1000 - (performance.now() - begin);
        await later(Math.max(0, due));
        await agent.poll(at, measured);
      }
    }),
  );
  return measured;
}

export function percentile(took: readonly number[], part: number): number {
  const sorted = took.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

async function timed<T>({ took, errors }: Measured, act: () => Promise<T>): Promise<T | null> {
  const begin = performance.now();
  try {
    const answer = await act();
    took.push(performance.now() - begin);
    return answer;
  } catch (error) {
    errors.push(error instanceof Error ? error.message : String(error));
    return null;
  }
}
