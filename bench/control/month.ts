/** How much the database grows with each machine and day, in a simulated month in which the fleet changes every day; and that it ends. */
import { join } from "node:path";
import { sql } from "kysely";
import { requestFor } from "../../src/agent/identity.ts";
import { answer } from "../../src/control/api/answer.ts";
import type { Caller, Route, Settings } from "../../src/control/api/route.ts";
import { ROUTES } from "../../src/control/api/routes.ts";
import { authorityOf, DATABASE_FILE } from "../../src/control/state-folder.ts";
import { step } from "../../src/control/step.ts";
import { type Database, openDatabase } from "../../src/control/store/database.ts";
import { Leader } from "../../src/control/store/leader.ts";
import { forgetOld } from "../../src/control/store/retention.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { desired } from "../../src/wire/desired.ts";
import { reportOf } from "../../test/control/plane.ts";
import type { BenchRow } from "../rows.ts";

const MACHINES = 195;
/** Each day so many machines get a new certificate that all have one after so many days. */
const RENEWAL = 15;
const DAYS = 30;
/** Days after which all is forgotten, so that the month sees it. In truth it is 30 to 365 days. */
const RETENTION = { events: 10, audit: 10, rollouts: 10 };
/** The newest 20 rollouts stay: until then there is more every day. */
const FULL = 22;
const DAY = 86_400_000;
const BEGIN = Date.parse("2026-11-01T00:00:00.000Z");
/** Of a report that says the same, only the row of its machine tells: more of them would take longer, and no more room. */
const REPORTS = 6;
const CHECKS = Array.from({ length: 8 }, (_, index) => ({ name: `service ${index}`, passes: true, says: "active" }));
const WANTED = 2048;

export async function benchMonth(): Promise<readonly BenchRow[]> {
  await using folder = await temporaryFolder("/dev/shm");
  const db = await openDatabase(join(folder.path, DATABASE_FILE));
  const authority = await authorityOf(folder.path, BEGIN);
  const month = new Month(
    db,
    { askAgain: 60, askAgainSoon: 10, tokenLife: 3600, authority },
    (await requestFor("m")).request,
  );
  const sizes: number[] = [];
  try {
    await month.begin();
    for (let day = 0; day < DAYS; day++) {
      sizes.push(await size(db));
      await month.day(day);
    }
    sizes.push(await size(db));
  } finally {
    await db.destroy();
  }
  const of = (day: number) => sizes[day] ?? Number.NaN;
  const growth = (of(RETENTION.events) - of(0)) / RETENTION.events / MACHINES;
  const later = of(DAYS) / of(FULL);
  return [
    {
      what: "the database grows a machine and day, with a rollout every day",
      measured: `${growth.toFixed(0)} bytes`,
      ratio: growth / WANTED,
      wanted: `at most ${WANTED} bytes`,
      holds: growth <= WANTED,
    },
    {
      what: `when all is kept for ${RETENTION.events} days: after ${DAYS} days, beside after ${FULL}`,
      measured: `${(of(DAYS) / 1024).toFixed(0)} KiB`,
      ratio: later,
      wanted: "at most 1.05 times as much",
      holds: later <= 1.05,
    },
  ];
}

/** In bytes, with what it has room for. */
async function size(db: Database): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select pages.page_count * one.page_size as bytes from pragma_page_count as pages, pragma_page_size as one`.execute(
    db,
  );
  return rows[0]?.bytes ?? Number.NaN;
}

class Month {
  readonly #db: Database;
  readonly #settings: Settings;
  readonly #leader: Leader;
  readonly #names = Array.from({ length: MACHINES }, (_, index) => `m${index}`);
  readonly #running = new Map<string, string>();
  #now = BEGIN;
  #sequence = 0;

  readonly #request: string;

  constructor(db: Database, settings: Settings, request: string) {
    this.#db = db;
    this.#settings = settings;
    this.#request = request;
    this.#leader = new Leader(db, "bench");
  }

  async begin(): Promise<void> {
    for (const name of this.#names) {
      await this.#asks(OPERATOR, "post", "/machines", { name, tags: ["web"] });
      await this.#db.updateTable("machines").set({ lifecycle: "active" }).where("name", "=", name).execute();
      this.#running.set(name, closureOf(name, 0));
      await this.#poll(name);
    }
  }

  /** A rollout in four waves, one machine of a hundred that is unwell for a while, and certificates that are half over. */
  async day(day: number): Promise<void> {
    const hosts = Object.fromEntries(this.#names.map((name) => [name, closureOf(name, day + 1)]));
    const said = { sequence: day + 1, commit: "c".repeat(40), created: this.#at(), note: `day ${day}`, hosts };
    const release = { version: 1, id: releaseIdOf(said), ...said };
    await this.#asks(OPERATOR, "post", "/releases", release);
    const strategy = { kind: "staged", waves: ["1", "10%", "50%"] };
    const rollout = { version: 1, release: release.id, machines: { kind: "all" }, strategy };
    await this.#asks(OPERATOR, "post", "/rollouts", rollout);
    for (let turn = 0; turn < REPORTS; turn++) {
      await step(this.#db, this.#leader, { awayAfter: DAY, wall: this.#now / 1000, watch: this.#now });
      for (const [index, name] of this.#names.entries()) {
        await this.#poll(name, turn === REPORTS - 2 && index % 100 === day % 100);
      }
      this.#now += DAY / REPORTS;
    }
    const part = MACHINES / RENEWAL;
    for (const name of this.#names.slice((day % RENEWAL) * part, ((day % RENEWAL) + 1) * part)) {
      const caller: Caller = { kind: "agent", machine: name, serial: "" };
      await this.#asks(caller, "post", "/agent/renew", { version: 1, request: this.#request });
    }
    await forgetOld(this.#db, RETENTION, this.#now);
  }

  /** As an agent does that has something to do: it says that it works, and that it is done. */
  async #poll(name: string, unwell = false): Promise<void> {
    const caller: Caller = { kind: "agent", machine: name, serial: "" };
    const { change, target } = desired.parse(await this.#asks(caller, "get", "/agent/desired"));
    if (target.kind === "release" && target.closure !== this.#running.get(name)) {
      await this.#says(caller, change, { kind: "working", doing: "fetching" });
      this.#running.set(name, target.closure);
    }
    await this.#says(caller, change, unwell ? { kind: "unhealthy", why: "service 3: inactive" } : { kind: "healthy" });
  }

  async #says(caller: Caller & { kind: "agent" }, change: number, outcome: unknown): Promise<void> {
    this.#sequence += 1;
    const usual = reportOf(caller.machine, { sequence: this.#sequence, change, outcome, checks: CHECKS });
    const running = { ...usual.running, closure: this.#running.get(caller.machine) };
    await this.#asks(caller, "post", "/agent/report", { ...usual, running });
  }

  async #asks(caller: Caller, method: Route["method"], path: string, body?: unknown): Promise<unknown> {
    const route = ROUTES.find((one) => one.method === method && one.path === path);
    if (route === undefined) throw new Error(`there is no ${method} ${path}`);
    const asked = { caller, params: {}, query: {}, body, now: this.#now, settings: this.#settings };
    return (await answer(this.#db, route, { ...asked, idempotencyKey: null })).body;
  }

  #at(): string {
    return new Date(this.#now).toISOString();
  }
}

const OPERATOR: Caller = { kind: "key", id: "0".repeat(12), name: "bench", role: "admin" };

function closureOf(name: string, day: number): string {
  return `/nix/store/${String(day).padStart(32, "0")}-nixfleet-${name}`;
}
