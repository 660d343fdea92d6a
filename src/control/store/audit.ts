/** The record of who did what. */
import type { Change } from "./database.ts";

/** Whoever changes something without being asked by anybody. */
export const CONTROL_PLANE = "the control plane";

export async function writeAudit(
  db: Change,
  entry: { at: string; who: string; action: string; subject: string; before?: unknown; after?: unknown },
) {
  const { before, after, ...rest } = entry;
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  await db
    .insertInto("audit")
    .values({ ...rest, before: json(before), after: json(after) })
    .execute();
}
