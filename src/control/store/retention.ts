/** What grows is bounded: by age, and by number for whoever talks without end. */
import type { Database } from "./database.ts";

export interface Retention {
  /** In days. */
  readonly events: number;
  readonly audit: number;
}

const DAY = 86_400_000;
/** So many events are kept at most, the newest: a year of a fleet of a thousand that changes daily. */
const MOST_EVENTS = 1_000_000;
/** An answer is kept for whoever asks again because a connection broke. */
const ANSWERS = DAY;

/** @param now in milliseconds */
export async function forgetOld(db: Database, { events, audit }: Retention, now: number): Promise<void> {
  const before = (age: number) => new Date(now - age).toISOString();
  await db
    .deleteFrom("events")
    .where("at", "<", before(events * DAY))
    .execute();
  await db
    .deleteFrom("audit")
    .where("at", "<", before(audit * DAY))
    .execute();
  await db.deleteFrom("answers").where("at", "<", before(ANSWERS)).execute();
  await db.deleteFrom("tokens").where("expires", "<", before(0)).execute();
  // A certificate that has expired needs no revocation any more.
  await db.deleteFrom("certificates").where("expires", "<", before(DAY)).execute();
  const newest = await db.selectFrom("events").select("id").orderBy("id", "desc").limit(1).executeTakeFirst();
  if (newest !== undefined)
    await db
      .deleteFrom("events")
      .where("id", "<=", newest.id - MOST_EVENTS)
      .execute();
}
