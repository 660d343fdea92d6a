/** The control plane is killed before each statement that it makes, in both databases: what was begun is there whole, or not at all. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Kysely } from "kysely";
import { requestFor } from "../../src/agent/identity.ts";
import { answer } from "../../src/control/api/answer.ts";
import { Authority, newAuthority } from "../../src/control/api/authority.ts";
import type { Caller, Settings } from "../../src/control/api/route.ts";
import { ROUTES } from "../../src/control/api/routes.ts";
import { hashOf } from "../../src/control/api/secret.ts";
import { step } from "../../src/control/step.ts";
import { type Database, dialectOf, openDatabase } from "../../src/control/store/database.ts";
import { Leader } from "../../src/control/store/leader.ts";
import { forgetOld } from "../../src/control/store/retention.ts";
import type { Schema } from "../../src/control/store/schema.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { target } from "../../src/wire/desired.ts";
import { Died, DyingDialect } from "./dying.ts";
import { reportOf } from "./plane.ts";
import { postgresServer } from "./postgres.ts";
import { closureOf } from "./world.ts";

const NOW = Date.parse("2026-11-27T00:00:00.000Z");
const NAMES = ["web", "db", "mail"];
const OPERATOR: Caller = { kind: "key", id: "0".repeat(12), name: "alice", role: "admin" };
const TOKEN = "nfe_token";
const authority = await Authority.open(await newAuthority(NOW));
const settings: Settings = { askAgain: 60, askAgainSoon: 10, tokenLife: 3600, authority };
const { request } = await requestFor("web");

const server = await postgresServer();
const folder = await temporaryFolder("/dev/shm");
after(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** One thing that happens to a control plane. */
interface Act {
  readonly what: string;
  /** Whether it is one transaction, so that nothing of it is there until all is. */
  readonly whole: boolean;
  readonly does: (db: Database) => Promise<unknown>;
}

const release = (sequence: number) => {
  const hosts = Object.fromEntries(NAMES.map((name) => [name, closureOf(name, `${sequence}`)]));
  const said = { sequence, commit: null, created: "2026-01-01T00:00:00.000Z", note: "", hosts };
  return { version: 1, id: releaseIdOf(said), ...said };
};

let asked = 0;

function asks(caller: Caller, method: string, path: string, body?: unknown, params: object = {}): Act {
  const route = ROUTES.find((one) => one.method === method && one.path === path) ?? assert.fail(path);
  asked += 1;
  const given = {
    caller,
    params,
    query: {},
    body,
    now: NOW,
    settings,
    idempotencyKey: "rollout" in params ? null : `${asked}`,
  };
  return { what: `${method} ${path}`, whole: true, does: async (db) => await answer(db, route, given) };
}

/** The agent asks, does what it is told, and says so; `bad`: it has taken the release back. */
function polls(name: string, sequence: number, bad = false): readonly Act[] {
  const caller: Caller = { kind: "agent", machine: name, serial: "" };
  const does = async (db: Database) => {
    const machine = db.selectFrom("machines").select(["change", "target", "running"]).where("name", "=", name);
    const row = await machine.executeTakeFirstOrThrow();
    const told = target.parse(JSON.parse(row.target));
    const before = row.running ?? closureOf(name, "0");
    const rejects = bad && told.kind === "release";
    const outcome = rejects ? { kind: "rejected", release: told.release, why: "no boot" } : { kind: "healthy" };
    const usual = reportOf(name, { sequence, change: row.change, outcome });
    const running = { ...usual.running, closure: rejects || told.kind === "keep" ? before : told.closure };
    const tags = [name, `report:${sequence}`];
    return await asks(caller, "post", "/agent/report", { ...usual, running, tags }).does(db);
  };
  return [asks(caller, "get", "/agent/desired"), { what: `${name} reports`, whole: true, does }];
}

const steps: Act = {
  what: "a turn of whoever runs the rollouts",
  whole: false,
  does: (db) => step(db, new Leader(db, "one"), { awayAfter: 300, wall: NOW / 1000, watch: 0 }),
};

/** Told by its state, as an operator does: its id is another one each time. */
function tells(command: "pause" | "resume" | "revert"): Act {
  const does = async (db: Database) => {
    const { id } = await db.selectFrom("rollouts").select("id").orderBy("id").executeTakeFirstOrThrow();
    return await asks(OPERATOR, "post", `/rollouts/:rollout/${command}`, undefined, { rollout: id }).does(db);
  };
  return { what: command, whole: true, does };
}

const ACTS: readonly Act[] = [
  ...NAMES.map((name) => ({
    ...asks(OPERATOR, "post", "/machines", { name, tags: ["all", name] }),
    what: `the machine ${name}`,
  })),
  {
    what: "a token",
    whole: true,
    does: (db) =>
      db
        .insertInto("tokens")
        .values({ hash: hashOf(TOKEN), machine: "web", expires: new Date(NOW + 1).toISOString() })
        .execute(),
  },
  asks({ kind: "anyone" }, "post", "/agent/enrol", { version: 1, machine: "web", token: TOKEN, request }),
  {
    what: "the others are active",
    whole: true,
    does: (db) => db.updateTable("machines").set({ lifecycle: "active" }).execute(),
  },
  ...NAMES.flatMap((name) => polls(name, 1)),
  asks(OPERATOR, "post", "/releases", release(1)),
  asks(OPERATOR, "post", "/rollouts", {
    version: 1,
    release: release(1).id,
    machines: { kind: "all" },
    strategy: { kind: "canary" },
    tolerate: "1",
  }),
  steps,
  tells("pause"),
  steps,
  tells("resume"),
  steps,
  ...NAMES.flatMap((name) => polls(name, 2)),
  steps,
  ...NAMES.flatMap((name) => polls(name, 3, name === "db")),
  steps,
  tells("revert"),
  steps,
  ...NAMES.flatMap((name) => polls(name, 4)),
  steps,
  asks(OPERATOR, "put", "/machines/:machine/lifecycle", { lifecycle: "decommissioned" }, { machine: "mail" }),
  asks(OPERATOR, "delete", "/machines/:machine", undefined, { machine: "mail" }),
  {
    what: "what is old is forgotten",
    whole: false,
    does: (db) => forgetOld(db, { events: 1, audit: 1, rollouts: 1 }, NOW + 10 * 86_400_000),
  },
];

for (const name of ["SQLite", "PostgreSQL"] as const) {
  test(`killed before any statement, ${name} ends where it would have ended`, async () => {
    const places: string[] = [];
    for (let index = 0; index < 2; index++)
      places.push(name === "SQLite" ? join(folder.path, `${index}.db`) : await server.database());
    const [calm = "", hunted = ""] = places;
    let deaths = 0;
    await using reference = await opened(calm);
    await using watched = await opened(hunted);
    for (const act of ACTS) {
      // What a route refuses, it refuses in both.
      const wanted = await act.does(reference.db).then(() => null, String);
      const [before, done] = [await everything(watched.db), await everything(reference.db)];
      for (let statements = 0; ; statements++) {
        assert.ok(statements < 500, `${act.what} does not end`);
        const found = await dies(hunted, act, statements);
        if (found !== "died") {
          assert.equal(found, wanted, act.what);
          break;
        }
        deaths += 1;
        if (!act.whole) continue;
        const now = await everything(watched.db);
        if (!isDeepStrictEqual(now, done)) assert.deepEqual(now, before, `half of it is there: ${act.what}`);
      }
      assert.deepEqual(await everything(watched.db), done, act.what);
    }
    assert.ok(deaths > 200, `only ${deaths} deaths`);
    // The history was one: a rollout began, stopped, and went back.
    const { status, why } = await watched.db.selectFrom("rollouts").selectAll().executeTakeFirstOrThrow();
    assert.deepEqual([status, why], ["failed", "2 machines went back: by hand"]);
  });
}

/** @returns `died`, or why it was refused, or null where it was done */
async function dies(where: string, act: Act, statements: number): Promise<string | null> {
  const db = new Kysely<Schema>({ dialect: new DyingDialect(await dialectOf(where), statements) });
  try {
    await act.does(db);
    return null;
  } catch (error) {
    return error instanceof Died ? "died" : String(error);
  } finally {
    await db.destroy();
  }
}

async function opened(where: string) {
  const db = await openDatabase(where);
  return { db, [Symbol.asyncDispose]: () => db.destroy() };
}

/** Of every table each row, but for what is another in each run: random names, and numbers that a row has for its order alone. */
async function everything(db: Database): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const tables = [
    "machines",
    "machine_tags",
    "rejections",
    "releases",
    "release_hosts",
    "rollouts",
    "members",
  ] as const;
  const rest = ["tokens", "certificates", "audit", "events", "answers", "clock"] as const;
  const rows = async (table: keyof Schema) => (await db.selectFrom(table).selectAll().execute()).map(known).sort();
  return Object.fromEntries(
    await Promise.all([...tables, ...rest].map(async (table) => [table, await rows(table)] as const)),
  );
}

function known(row: object): string {
  const { id: _, serial: __, ...rest } = { id: 0, serial: "", ...row };
  return JSON.stringify(rest)
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}/g, "a uuid")
    .replaceAll(/nf[ke]_\w+/g, "a secret");
}
