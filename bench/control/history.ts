/** A fleet of 100,000 machines with a long history, written by the database itself: what its tables hold after years. */
import { sql } from "kysely";
import { createKey } from "../../src/control/api/key-routes.ts";
import { type Database, openDatabase } from "../../src/control/store/database.ts";
import { createRollout } from "../../src/control/store/rollouts.ts";
import { rolloutRequest } from "../../src/wire/rollout.ts";
import { reportOf } from "../../test/control/plane.ts";

export const MACHINES = 100_000;
/** Every tenth machine has it, and is in each rollout. */
const TAG = "web";
const ROLLOUTS = 100;
/** So many hosts are in each of the old releases, which is the most that one can have over the network. */
const HOSTS = 20_000;
const EVENTS = 1_000_000;
const AUDIT = 1_000_000;
const AT = "2026-11-27T00:00:00.000Z";

export const RELEASE = releaseName(ROLLOUTS);
/** The one that is going on. */
export const ROLLOUT = rolloutName(ROLLOUTS);

/** @returns an admin's key */
export async function fillHistory(file: string): Promise<string> {
  const db = await openDatabase(file);
  await sql`pragma synchronous = off`.execute(db);
  const key = await db.transaction().execute(async (change) => {
    await machines(change);
    for (let number = 0; number < ROLLOUTS; number++) await oldRollout(change, number);
    await talk(change);
    await sql`insert into releases (id, sequence, created, note) values (${RELEASE}, ${ROLLOUTS}, ${AT}, '')`.execute(
      change,
    );
    await hosts(change, RELEASE, MACHINES);
    return await createKey(change, { name: "bench", role: "admin", days: 1, now: Date.now() });
  });
  await goingOn(db);
  await db.destroy();
  return key.text;
}

async function machines(db: Database): Promise<void> {
  const outcome = JSON.stringify({ kind: "healthy" });
  const checks = Array.from({ length: 8 }, (_, index) => ({ name: `service ${index}`, passes: true, says: "active" }));
  const report = JSON.stringify(reportOf("web", { checks }));
  await sql`insert into machines (name, lifecycle, created, change, fetched, target, sequence, last_seen, seen_at, running,
      running_release, reported_change, outcome, outcome_kind, report)
    ${numbers(MACHINES)} select 'm' || i, 'active', ${AT}, 0, 0, '{"kind":"keep"}', 1, 100, ${AT},
      '/nix/store/00000000000000000000000000000000-nixfleet-m' || i, ${RELEASE}, 0, ${outcome}, 'healthy', ${report} from n`.execute(
    db,
  );
  await sql`insert into machine_tags (machine, tag, declared) select name, ${TAG}, 0 from machines where name like '%0'`.execute(
    db,
  );
}

async function hosts(db: Database, release: string, count: number): Promise<void> {
  await sql`insert into release_hosts (release, machine, closure)
    ${numbers(count)} select ${release}, 'm' || i, '/nix/store/11111111111111111111111111111111-nixfleet-m' || i from n`.execute(
    db,
  );
}

async function oldRollout(db: Database, number: number): Promise<void> {
  const [release, rollout] = [releaseName(number), rolloutName(number)];
  await sql`insert into releases (id, sequence, created, note) values (${release}, ${number}, ${AT}, '')`.execute(db);
  await hosts(db, release, HOSTS);
  await sql`insert into rollouts (id, release, status, why, version, wave, request, created, created_by)
    values (${rollout}, ${release}, 'done', '', 9, 1, ${JSON.stringify(requestOf(release))},
      ${new Date(Date.parse(AT) - (ROLLOUTS - number) * 1000).toISOString()}, 'key bench')`.execute(db);
  await sql`insert into members (rollout, machine, closure, state, change, since, previous, forgiven, live)
    select ${rollout}, machine, '/nix/store/11111111111111111111111111111111-nixfleet-' || machine, 'healthy', 1, 1,
      '/nix/store/00000000000000000000000000000000-nixfleet-' || machine, 0, 0 from machine_tags where tag = ${TAG}`.execute(
    db,
  );
}

async function talk(db: Database): Promise<void> {
  await sql`insert into events (at, machine, kind, detail)
    ${numbers(EVENTS)} select ${AT}, 'm' || (i % ${MACHINES}), 'healthy', '{"change":1}' from n`.execute(db);
  await sql`insert into audit (at, who, action, subject)
    ${numbers(AUDIT)} select ${AT}, 'machine m' || (i % ${MACHINES}), 'machine.renew', 'm' || (i % ${MACHINES}) from n`.execute(
    db,
  );
}

async function goingOn(db: Database): Promise<void> {
  const request = rolloutRequest.parse(requestOf(RELEASE));
  await db.transaction().execute((change) => createRollout(change, { id: ROLLOUT, request, by: "key bench", at: AT }));
}

function requestOf(release: string) {
  const strategy = { kind: "staged", waves: ["1%", "100%"] };
  return { version: 1, release, machines: { kind: "tagged", tags: [TAG] }, strategy };
}

function numbers(count: number) {
  return sql`with recursive n (i) as (select 0 union all select i + 1 from n where i < ${count - 1})`;
}

export function releaseName(number: number): string {
  return number.toString(16).padStart(64, "a");
}

function rolloutName(number: number): string {
  return `00000000-0000-4000-8000-${number.toString().padStart(12, "0")}`;
}
