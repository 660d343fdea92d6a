/** The database keeps what the rollout engine decides, as the engine in memory does: SQLite and PostgreSQL, in the same histories. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import { Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import { type Change, type Database, dialectOf, openDatabase } from "../../src/control/store/database.ts";
import { isConflict } from "../../src/control/store/engine.ts";
import { Leader, TAKEOVER } from "../../src/control/store/leader.ts";
import { createMachine, fetchTarget, forgetMachine, hear } from "../../src/control/store/machines.ts";
import { MIGRATIONS } from "../../src/control/store/migrations.ts";
import { forgetOld } from "../../src/control/store/retention.ts";
import { createRollout } from "../../src/control/store/rollouts.ts";
import { declareTags, giveTags, tagsOf } from "../../src/control/store/tags.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { report } from "../../src/wire/report.ts";
import { rolloutRequest } from "../../src/wire/rollout.ts";
import { BACK_FROM_MAINTENANCE, CAREFUL, history, REJECTED_MEANWHILE } from "./histories.ts";
import { reportOf, until } from "./plane.ts";
import { postgresServer, type Server } from "./postgres.ts";
import { Recorded } from "./recorded.ts";

const AT = "2026-11-27T00:00:00.000Z";

const server: Server = await postgresServer();
after(() => server[Symbol.asyncDispose]());
const DATABASES = [
  { name: "SQLite", open: async () => await openDatabase(":memory:"), runs: 80 },
  { name: "PostgreSQL", open: async () => await openDatabase(await server.database()), runs: 20 },
];

for (const { name, open, runs } of DATABASES) {
  test(`${name} keeps in random histories what the engine in memory keeps`, async () => {
    await using db = await disposable(open());
    await fc.assert(
      fc.asyncProperty(history, async ({ machines, plan, events }) => {
        const recorded = new Recorded(db.database, machines);
        await recorded.begin(plan);
        for (const event of events) await recorded.happens(event);
      }),
      { numRuns: runs },
    );
  });

  test(`${name}: what was decided before a machine came back from maintenance, or rejected the release, is void`, async () => {
    await using db = await disposable(open());
    for (const [machines, events] of [
      [2, BACK_FROM_MAINTENANCE],
      [1, REJECTED_MEANWHILE],
    ] as const) {
      const recorded = new Recorded(db.database, machines);
      await recorded.begin(CAREFUL);
      for (const event of events) await recorded.happens(event);
    }
  });

  test(`${name}: one instance runs the rollouts, and another takes over when it falls silent, and no sooner`, async () => {
    await using db = await disposable(open());
    const [one, other] = [new Leader(db.database, "one"), new Leader(db.database, "other")];
    assert.equal(await one.lead(1000, 0), 0);
    assert.equal(await one.lead(1030, 0), 30);
    assert.equal(await other.lead(99_000, 0), null);
    assert.equal(await one.lead(1040, 0), 40);
    assert.equal(await other.lead(99_000, TAKEOVER + 1), null);
    assert.equal(await other.lead(99_000, 2 * TAKEOVER), null);
    // Its computer's clock is another one: no time has passed because of that.
    assert.equal(await other.lead(99_000, 2 * TAKEOVER + 2), 40);
    assert.equal(await db.database.transaction().execute((change) => one.holds(change)), false);
    assert.equal(await one.lead(1050, 0), null);
    await other.resign();
    assert.equal(await one.lead(1060, 0), 40);
  });

  test(`${name}: a machine is in one rollout at a time, whatever the code does`, async () => {
    await using db = await disposable(open());
    await db.database.transaction().execute((change) => createMachine(change, "web", AT));
    const release = { id: "r", sequence: 1, commit_id: null, created: AT, note: "" };
    await db.database.insertInto("releases").values(release).execute();
    const rest = { release: "r", status: "running", why: "", version: 0, wave: 0, request: "{}", created: AT } as const;
    for (const id of ["a", "b"]) {
      await db.database
        .insertInto("rollouts")
        .values({ id, ...rest, created_by: "test" })
        .execute();
    }
    const member = { machine: "web", closure: "c", state: "waiting", forgiven: 0, live: 1 } as const;
    await db.database
      .insertInto("members")
      .values({ rollout: "a", ...member })
      .execute();
    await assert.rejects(
      db.database
        .insertInto("members")
        .values({ rollout: "b", ...member })
        .execute(),
      isConflict,
    );
  });

  test(`${name}: the number of an order is never given twice, also to a machine that was forgotten and comes back`, async () => {
    await using db = await disposable(open());
    const change = db.database.transaction();
    await change.execute((tx) => createMachine(tx, "web", AT));
    await db.database.updateTable("machines").set({ change: 41 }).execute();
    assert.equal(await db.database.transaction().execute((tx) => forgetMachine(tx, "web")), true);
    await db.database.transaction().execute((tx) => createMachine(tx, "web", AT));
    assert.equal((await db.database.transaction().execute((tx) => fetchTarget(tx, "web")))?.change, 42);
  });

  test(`${name}: an operator's tags and those that a host declares leave each other alone, and are one in every list`, async () => {
    await using db = await disposable(open());
    const { database } = db;
    const does = <T>(act: (change: Change) => Promise<T>) => database.transaction().execute(act);
    const tags = () => does(async (change) => (await tagsOf(change, ["web", "db"]))("web"));
    for (const machine of ["web", "db"]) await does((change) => createMachine(change, machine, AT));
    assert.deepEqual(await does((change) => giveTags(change, "web", ["both", "given", "both"])), []);
    assert.equal(await does((change) => hear(change, "web", saying(1, ["both", "declared"]), AT)), true);
    assert.deepEqual(await tags(), { tags: ["both", "declared", "given"], declaredTags: ["both", "declared"] });
    // A report that is late declares nothing.
    assert.equal(await does((change) => hear(change, "web", saying(1, ["late"]), AT)), false);

    await database
      .insertInto("releases")
      .values({ id: "r", sequence: 1, commit_id: null, created: AT, note: "" })
      .execute();
    const hosts = ["web", "db"].map((machine) => ({ release: "r", machine, closure: "c" }));
    await database.insertInto("release_hosts").values(hosts).execute();
    const strategy = { kind: "all-at-once" };
    const machines = { kind: "tagged", tags: ["both", "declared"] };
    const asked = rolloutRequest.parse({ version: 1, release: "0".repeat(64), machines, strategy });
    const rollout = { id: "o", request: { ...asked, release: "r" }, by: "test", at: AT };
    assert.equal(await does((change) => createRollout(change, rollout)), 1);

    assert.deepEqual(await does((change) => giveTags(change, "web", ["other"])), ["both", "given"]);
    assert.deepEqual(await tags(), { tags: ["both", "declared", "other"], declaredTags: ["both", "declared"] });
    assert.equal(await does((change) => hear(change, "web", saying(2), AT)), true);
    assert.deepEqual(await tags(), { tags: ["other"], declaredTags: [] });
    assert.equal(await does((change) => forgetMachine(change, "web")), true);
    assert.deepEqual(await tags(), { tags: [], declaredTags: [] });
  });

  test(`${name}: a report that declares the same tags costs no more than one without any`, async () => {
    await using db = await disposable(open());
    let statements = 0;
    const counted = db.database.withPlugin({
      transformQuery: ({ node }) => {
        statements += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const cost = async (sequence: number, tags?: readonly string[]) => {
      statements = 0;
      await counted.transaction().execute((change) => hear(change, "web", saying(sequence, tags), AT));
      return statements;
    };
    await db.database.transaction().execute((change) => createMachine(change, "web", AT));
    await cost(1);
    const bare = await cost(2);
    assert.ok((await cost(3, ["site:berlin", "web"])) > bare);
    assert.equal(await cost(4, ["site:berlin", "web"]), bare);
    assert.equal(
      (await db.database.selectFrom("events").select("kind").where("kind", "=", "tags").execute()).length,
      1,
    );
  });

  test(`${name}: tags from before hosts declared any are an operator's`, async () => {
    await using folder = await temporaryFolder("/dev/shm");
    const where = name === "SQLite" ? `${folder.path}/fleet.db` : await server.database();
    const before = new Kysely<unknown>({ dialect: await dialectOf(where) });
    const known = Object.entries(MIGRATIONS).filter(([number]) => number < "0003");
    const provider = { getMigrations: async () => Object.fromEntries(known) };
    const { error } = await new Migrator({ db: before, provider }).migrateToLatest();
    assert.equal(error, undefined);
    await sql`insert into machines (name, lifecycle, created, change, fetched, target)
      values ('web', 'pending', ${AT}, 0, 0, '{"kind":"keep"}')`.execute(before);
    await sql`insert into machine_tags (machine, tag) values ('web', 'site:berlin'), ('web', 'web')`.execute(before);
    await before.destroy();
    await using db = await disposable(openDatabase(where));
    const change = () => db.database.transaction();
    assert.deepEqual(await change().execute(async (tx) => (await tagsOf(tx, ["web"]))("web")), {
      tags: ["site:berlin", "web"],
      declaredTags: [],
    });
    await change().execute((tx) => declareTags(tx, "web", ["web"]));
    assert.deepEqual(await change().execute((tx) => giveTags(tx, "web", [])), ["site:berlin", "web"]);
  });

  test(`${name}: what grows is forgotten by its age`, async () => {
    await using db = await disposable(open());
    const now = Date.parse(AT);
    for (const days of [0, 10, 100]) {
      const at = new Date(now - days * 86_400_000).toISOString();
      await db.database.insertInto("events").values({ at, machine: "m", kind: "healthy", detail: "{}" }).execute();
      await db.database.insertInto("audit").values({ at, who: "w", action: "a", subject: "s" }).execute();
    }
    await forgetOld(db.database, { events: 30, audit: 90, rollouts: 90 }, now);
    assert.equal((await db.database.selectFrom("events").selectAll().execute()).length, 2);
    assert.equal((await db.database.selectFrom("audit").selectAll().execute()).length, 2);
    await forgetOld(db.database, { events: 5, audit: 90, rollouts: 90 }, now);
    assert.equal((await db.database.selectFrom("events").selectAll().execute()).length, 1);
  });

  test(`${name}: a rollout that is over is forgotten by its age; one that has a machine yet, and the newest, stay`, async () => {
    await using db = await disposable(open());
    const { database } = db;
    const now = Date.parse(AT);
    const daysAgo = (days: number) => new Date(now - days * 86_400_000).toISOString();
    await database.transaction().execute((change) => createMachine(change, "web", AT));
    const over = { status: "done", why: "", version: 0, wave: 0, request: "{}", created_by: "test" } as const;
    for (let number = 0; number < 30; number++) {
      const [id, created] = [String(number).padStart(2, "0"), daysAgo(1000 - number)];
      await database
        .insertInto("releases")
        .values({ id, sequence: number, commit_id: null, created, note: "" })
        .execute();
      await database
        .insertInto("rollouts")
        .values({ id, release: id, created, ...over })
        .execute();
      const member = { rollout: id, machine: "web", closure: "c", state: "healthy", forgiven: 0 } as const;
      await database
        .insertInto("members")
        .values({ ...member, live: number === 3 ? 1 : 0 })
        .execute();
    }
    await database.updateTable("rollouts").set({ status: "paused" }).where("id", "=", "05").execute();
    const kept = async (rollouts: number) => {
      await forgetOld(database, { events: 30, audit: 30, rollouts }, now);
      const ids = await database.selectFrom("rollouts").select("id").orderBy("id").execute();
      const releases = await database.selectFrom("releases").select("id").orderBy("id").execute();
      const members = await database.selectFrom("members").select("rollout").orderBy("rollout").execute();
      assert.deepEqual(releases, ids);
      assert.deepEqual(
        members.map(({ rollout }) => rollout),
        ids.map(({ id }) => id),
      );
      return ids.map(({ id }) => id);
    };
    assert.equal((await kept(1000)).length, 30);
    assert.equal((await kept(999)).at(0), "01");
    const newest = Array.from({ length: 20 }, (_, index) => String(index + 10));
    assert.deepEqual(await kept(90), ["03", "05", ...newest]);
  });
}

test("PostgreSQL: of two reports at one time the later one's tags count", async () => {
  await using db = await disposable(openDatabase(await server.database()));
  const { database } = db;
  await database.transaction().execute((change) => createMachine(change, "web", AT));
  const heard = (sequence: number, tags?: readonly string[], until = Promise.resolve()) =>
    database.transaction().execute(async (change) => {
      const kept = await hear(change, "web", saying(sequence, tags), AT);
      await until;
      return kept;
    });
  await heard(1);
  const end = Promise.withResolvers<void>();
  const earlier = heard(2, ["web"], end.promise);
  await until(async () => (await transactions(database, "idle in transaction")) === 1);
  // It reads what was there before, and waits. What it says is what that says.
  const later = heard(3);
  await until(async () => (await transactions(database, "active")) === 1);
  end.resolve();
  assert.deepEqual(await Promise.all([earlier, later]), [true, true]);
  assert.deepEqual(await database.selectFrom("machine_tags").selectAll().execute(), []);
});

/** How many others of this database are in that state: at rest between statements, or waiting within one. */
async function transactions(database: Database, state: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and state = ${state}`.execute(database);
  return Number(rows[0]?.count);
}

function saying(sequence: number, tags?: readonly string[]) {
  return report.parse(reportOf("web", { sequence, ...(tags === undefined ? {} : { tags }) }));
}

async function disposable(opening: Promise<Database>) {
  const database = await opening;
  return { database, [Symbol.asyncDispose]: () => database.destroy() };
}
