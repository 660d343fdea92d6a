/** Node's own SQLite, as Kysely calls a database. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

/** How many statements are kept prepared: there are fewer, but for lists of names that differ in length. */
const PREPARED = 500;
/** In KiB: the rows of 10,000 machines are read without asking the kernel. */
const CACHE = 64 * 1024;

/** @param file its folder exists */
export function openSqlite(file: string): SqliteDatabase {
  const database = new DatabaseSync(file, { timeout: 10_000, enableForeignKeyConstraints: true });
  // FULL: an order that was given to a host is still there after a power cut. Otherwise its number would be given twice.
  database.exec("pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000");
  database.exec(`pragma cache_size = -${CACHE}`);
  const prepared = new Map<string, Statement>();
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const before = prepared.get(sql);
      if (before !== undefined) return before;
      if (prepared.size >= PREPARED) prepared.clear();
      // Every transaction here writes. One that reads first, and finds that another process wrote meanwhile, could not wait.
      const statement = new Statement(database.prepare(sql === "begin" ? "begin immediate" : sql));
      prepared.set(sql, statement);
      return statement;
    },
  };
}

class Statement implements SqliteStatement {
  readonly #statement: StatementSync;
  readonly reader: boolean;

  constructor(statement: StatementSync) {
    this.#statement = statement;
    this.reader = statement.columns().length > 0;
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
