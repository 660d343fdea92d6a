/** Node's own SQLite, as Kysely calls a database. */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

/** @param file its folder exists */
export function openSqlite(file: string): SqliteDatabase {
  const database = new DatabaseSync(file, { timeout: 10_000, enableForeignKeyConstraints: true });
  // FULL: an order that was given to a host is still there after a power cut. Otherwise its number would be given twice.
  database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000");
  return {
    close: () => database.close(),
    // Every transaction here writes. One that reads first, and finds that another process wrote meanwhile, could not wait.
    prepare: (sql) => new Statement(database, sql === "begin" ? "begin immediate" : sql),
  };
}

class Statement implements SqliteStatement {
  readonly #statement;
  readonly reader: boolean;

  constructor(database: DatabaseSync, sql: string) {
    this.#statement = database.prepare(sql);
    this.reader = this.#statement.columns().length > 0;
  }

  all(parameters: readonly unknown[]): unknown[] {
    return this.#statement.all(...parameters.map(bound));
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#statement.run(...parameters.map(bound));
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...parameters.map(bound));
  }
}

function bound(value: unknown): SQLInputValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "bigint")
    return value;
  throw new TypeError(`SQLite does not keep a ${typeof value}`);
}
