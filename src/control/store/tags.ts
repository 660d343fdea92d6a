/** The machines' tags. An operator's and those that a host declares are kept apart, so that neither takes away the other's. */
import type { Change } from "./database.ts";

export interface Tags {
  /** All of them, each once, in order. */
  readonly tags: readonly string[];
  /** Those that the host declares. An operator may have given it the same. */
  readonly declaredTags: readonly string[];
}

export async function tagsOf(db: Change, machines: readonly string[]): Promise<(machine: string) => Tags> {
  const rows =
    machines.length === 0
      ? []
      : await db.selectFrom("machine_tags").selectAll().where("machine", "in", machines).orderBy("tag").execute();
  const byMachine = Map.groupBy(rows, ({ machine }) => machine);
  return (machine) => {
    const own = byMachine.get(machine) ?? [];
    return {
      tags: [...new Set(own.map(({ tag }) => tag))],
      declaredTags: own.filter(({ declared }) => declared === 1).map(({ tag }) => tag),
    };
  };
}

/** An operator's tags of it are these, and no others. @returns which they were */
export async function giveTags(db: Change, machine: string, tags: readonly string[]): Promise<readonly string[]> {
  const before = await removeTags(db, machine, 0);
  await addTags(db, machine, 0, tags);
  return before;
}

/** The host declares these tags, and no others. */
export async function declareTags(db: Change, machine: string, tags: readonly string[]): Promise<void> {
  await removeTags(db, machine, 1);
  await addTags(db, machine, 1, tags);
}

async function removeTags(db: Change, machine: string, declared: 0 | 1): Promise<readonly string[]> {
  const removal = db.deleteFrom("machine_tags").where("machine", "=", machine).where("declared", "=", declared);
  const rows = await removal.returning("tag").execute();
  return rows.map(({ tag }) => tag).sort();
}

async function addTags(db: Change, machine: string, declared: 0 | 1, tags: readonly string[]): Promise<void> {
  const rows = [...new Set(tags)].map((tag) => ({ machine, tag, declared }));
  if (rows.length > 0) await db.insertInto("machine_tags").values(rows).execute();
}
