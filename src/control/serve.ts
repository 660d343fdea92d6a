/** A control plane: its server, and the turns of whoever runs the rollouts. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { app } from "./api/app.ts";
import { createKey } from "./api/key-routes.ts";
import { Metrics } from "./api/metrics.ts";
import { type Listening, listen } from "./api/server.ts";
import { authorityOf, DATABASE_FILE, inUse } from "./state-folder.ts";
import { step } from "./step.ts";
import { CONTROL_PLANE, writeAudit } from "./store/audit.ts";
import { type Database, openDatabase } from "./store/database.ts";
import { Leader } from "./store/leader.ts";
import { forgetOld, type Retention } from "./store/retention.ts";

export interface ControlPlaneOptions {
  readonly folder: string;
  /** `postgres://…`; null: SQLite in the folder. */
  readonly database: string | null;
  readonly host: string;
  readonly port: number;
  /** The names and addresses that agents and operators reach it by. */
  readonly names: readonly string[];
  /** How often an agent asks, in seconds. */
  readonly askAgain: number;
  readonly retention: Retention;
  readonly log: (line: string) => void;
}

export interface ControlPlane extends AsyncDisposable {
  readonly port: number;
  /** The first API key, if there was none. It is shown once. */
  readonly firstKey: string | null;
  /** What clients have to believe. */
  readonly authority: string;
}

const STEP = 2_000;
const HOUR = 3_600_000;
const TOKEN_LIFE = 3600;

export async function controlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folder, names, host, port, askAgain, log } = options;
  const lock = await inUse(folder);
  const authority = await authorityOf(folder, Date.now());
  const db = await openDatabase(options.database ?? join(folder, DATABASE_FILE));
  const settings = { askAgain, askAgainSoon: Math.min(askAgain, 10), tokenLife: TOKEN_LIFE, authority };
  const bug = (error: unknown) =>
    log(`a fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  const application = app({ db, settings, metrics: new Metrics(), now: Date.now, bug });
  const identity = () => authority.serverCertificate(names, Date.now());
  const server = await listen(application, {
    host,
    port,
    identity: await identity(),
    authority: authority.certificate,
  });
  const turns = runTurns(db, options, bug);
  const daily = setInterval(async () => server.renew(await identity()), 24 * HOUR);
  return {
    port: server.port,
    firstKey: await firstKey(db),
    authority: authority.certificate,
    [Symbol.asyncDispose]: async () => {
      clearInterval(daily);
      await ended(server, turns, db);
      await lock[Symbol.asyncDispose]();
    },
  };
}

async function ended(server: Listening, turns: Turns, db: Database): Promise<void> {
  await turns.end();
  await server[Symbol.asyncDispose]();
  await db.destroy();
}

interface Turns {
  end(): Promise<void>;
}

function runTurns(db: Database, { askAgain, retention }: ControlPlaneOptions, bug: (error: unknown) => void): Turns {
  const leader = new Leader(db, randomUUID());
  // An agent that has missed five of its own turns is away.
  const awayAfter = Math.max(300, 5 * askAgain);
  const stop = new AbortController();
  let cleaned = Number.NEGATIVE_INFINITY;
  const turn = async () => {
    const watch = performance.now();
    const leads = await step(db, leader, { awayAfter, wall: Date.now() / 1000, watch });
    if (!leads || watch - cleaned < HOUR) return;
    cleaned = watch;
    await forgetOld(db, retention, Date.now());
  };
  const running = (async () => {
    while (!stop.signal.aborted) {
      await turn().catch(bug);
      await new Promise<void>((later) => {
        const timer = setTimeout(later, STEP);
        stop.signal.addEventListener("abort", () => {
          clearTimeout(timer);
          later();
        });
      });
    }
    await leader.resign().catch(bug);
  })();
  return {
    end: async () => {
      stop.abort();
      await running;
    },
  };
}

/** No route makes the first key: whoever starts the control plane gets it. */
async function firstKey(db: Database): Promise<string | null> {
  return await db.transaction().execute(async (change) => {
    if ((await change.selectFrom("keys").select("id").limit(1).executeTakeFirst()) !== undefined) return null;
    const { row, text } = await createKey(change, { name: "first", role: "admin", days: 365, now: Date.now() });
    await writeAudit(change, {
      at: row.created,
      who: CONTROL_PLANE,
      action: "key.create",
      subject: row.id,
      after: { name: row.name, role: row.role },
    });
    return text;
  });
}
