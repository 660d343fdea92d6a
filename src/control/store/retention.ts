/** What grows is bounded: by age, and by number for whoever talks without end. */
import type { Database } from "./database.ts";
import { OVER } from "./rollout-counts.ts";

export interface Retention {
  /** In days. */
  readonly events: number;
  readonly audit: number;
  /** Rollouts that are over, and releases that no rollout is of. */
  readonly rollouts: number;
}

const DAY = 86_400_000;
/** So many events are kept at most, the newest: a year of a fleet of a thousand that changes daily. */
const MOST_EVENTS = 1_000_000;
/** The newest rollouts and releases stay, however old they are: a fleet that rests has not forgotten how it came to be. */
const NEWEST = 20;
/** An answer is kept for whoever asks again because a connection broke. */
const ANSWERS = DAY;
/** How many rows go at once: agents wait for no longer than it takes. */
const CHUNK = 2000;

/** @param now in milliseconds */
export async function forgetOld(db: Database, { events, audit, rollouts }: Retention, now: number): Promise<void> {
  const before = (age: number) => new Date(now - age).toISOString();
  await forgetEntries(db, "events", before(events * DAY));
  await forgetEntries(db, "audit", before(audit * DAY));
  await db.deleteFrom("answers").where("at", "<", before(ANSWERS)).execute();
  await db.deleteFrom("tokens").where("expires", "<", before(0)).execute();
  // A certificate that has expired needs no revocation any more.
  await db.deleteFrom("certificates").where("expires", "<", before(DAY)).execute();
  const newest = await db.selectFrom("events").select("id").orderBy("id", "desc").limit(1).executeTakeFirst();
  if (newest !== undefined) await forgetUpTo(db, newest.id - MOST_EVENTS);
  await forgetRollouts(db, before(rollouts * DAY));
  await forgetReleases(db, before(rollouts * DAY));
}

async function forgetEntries(db: Database, table: "events" | "audit", before: string): Promise<void> {
  await inChunks(() =>
    db
      .deleteFrom(table)
      .where("id", "in", (eb) =>
        eb.selectFrom(table).select("id").where("at", "<", before).orderBy("at").limit(CHUNK).$castTo<{ id: number }>(),
      )
      .executeTakeFirst(),
  );
}

async function forgetUpTo(db: Database, id: number): Promise<void> {
  await inChunks(() =>
    db
      .deleteFrom("events")
      .where("id", "in", (eb) => eb.selectFrom("events").select("id").where("id", "<=", id).orderBy("id").limit(CHUNK))
      .executeTakeFirst(),
  );
}

async function inChunks(forget: () => Promise<{ readonly numDeletedRows: bigint }>): Promise<void> {
  while ((await forget()).numDeletedRows >= CHUNK);
}

/** One that still has a machine stays: it catches up with it. */
async function forgetRollouts(db: Database, before: string): Promise<void> {
  const stays = db.selectFrom("rollouts").select("id").orderBy("created", "desc").orderBy("id", "desc").limit(NEWEST);
  const over = await db
    .selectFrom("rollouts")
    .select("id")
    .where("status", "in", OVER)
    .where("created", "<", before)
    .where("id", "not in", stays)
    .where("id", "not in", (eb) => eb.selectFrom("members").select("rollout").where("live", "=", 1))
    .execute();
  // One at a time, with its machines; unless somebody has just told it to revert.
  for (const { id } of over) await db.deleteFrom("rollouts").where("id", "=", id).where("status", "in", OVER).execute();
}

async function forgetReleases(db: Database, before: string): Promise<void> {
  const stays = db.selectFrom("releases").select("id").orderBy("sequence", "desc").limit(NEWEST);
  const unused = await db
    .selectFrom("releases")
    .select("id")
    .where("created", "<", before)
    .where("id", "not in", stays)
    .where("id", "not in", (eb) => eb.selectFrom("rollouts").select("release"))
    .execute();
  for (const { id } of unused) await db.deleteFrom("releases").where("id", "=", id).execute();
}
