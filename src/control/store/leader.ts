/**
 * Which instance runs the rollouts. The one that does adds to a count now and then; another one takes over when it has seen the count stand
 * still for a while, by its own watch: computers' clocks may differ. Two at once would be harmless, since each decision checks what it was
 * made from, and the steady clock goes by one of them.
 */
import { tick } from "../decide/clock.ts";
import type { Change, Database } from "./database.ts";

/** How long the count stands still before another instance takes over, in milliseconds. */
export const TAKEOVER = 15_000;

export class Leader {
  readonly #db: Database;
  readonly #name: string;
  #seen = { holder: "", beat: -1, since: Number.NEGATIVE_INFINITY };

  /** @param name no other instance has it */
  constructor(db: Database, name: string) {
    this.#db = db;
    this.#name = name;
  }

  /**
   * Tries to be, or to stay, the one; then lets the steady clock go on.
   * @param wall the computer's clock, in seconds @param watch one that only goes on, in milliseconds
   * @returns the steady time, or null while it is another one
   */
  async lead(wall: number, watch: number): Promise<number | null> {
    return await this.#db.transaction().execute(async (change) => {
      const row = await change.selectFrom("leader").selectAll().executeTakeFirstOrThrow();
      if (row.holder !== this.#name) {
        if (row.holder !== this.#seen.holder || row.beat !== this.#seen.beat) this.#seen = { ...row, since: watch };
        if (row.holder !== "" && watch - this.#seen.since < TAKEOVER) return null;
      }
      const { numUpdatedRows } = await change
        .updateTable("leader")
        .set({ holder: this.#name, beat: row.beat + 1 })
        .where("holder", "=", row.holder)
        .where("beat", "=", row.beat)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) return null;
      const clock = await change.selectFrom("clock").select(["steady", "wall"]).executeTakeFirstOrThrow();
      // The clock of another computer says nothing of how long it has been.
      const next = row.holder === this.#name ? tick(clock, wall) : { ...clock, wall };
      await change.updateTable("clock").set(next).execute();
      return next.steady;
    });
  }

  /** Whether it still is the one, in the transaction that depends on it. */
  async holds(change: Change): Promise<boolean> {
    const row = await change
      .updateTable("leader")
      .set({ holder: this.#name })
      .where("holder", "=", this.#name)
      .executeTakeFirst();
    return row.numUpdatedRows === 1n;
  }

  /** Lets another instance take over at once. */
  async resign(): Promise<void> {
    await this.#db.updateTable("leader").set({ holder: "" }).where("holder", "=", this.#name).execute();
  }
}
