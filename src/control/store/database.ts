/** The control plane's database: SQLite in a file, or PostgreSQL for several instances. */
import { type Dialect, Kysely, PostgresDialect, SqliteAdapter, SqliteDialect, sql, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import { UserError } from "../../errors.ts";
import { MIGRATIONS } from "./migrations.ts";
import type { Schema } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

export type Database = Kysely<Schema>;
export type Query = Kysely<Schema>;
export type Change = Transaction<Schema>;

/**
 * @param where a file's path, or `postgres://…`
 * @throws UserError if it cannot be opened, or a newer version of NixFleet has written it
 */
export async function openDatabase(where: string): Promise<Database> {
  return await migrated(new Kysely<Schema>({ dialect: await dialectOf(where) }));
}

export async function dialectOf(where: string): Promise<Dialect> {
  return /^postgres(ql)?:\/\//.test(where)
    ? await postgres(where)
    : new SqliteDialect({ database: async () => openSqlite(where) });
}

async function migrated(database: Database): Promise<Database> {
  try {
    await migrate(database);
  } catch (error) {
    await database.destroy();
    throw new UserError(`the database cannot be opened: ${error instanceof Error ? error.message : String(error)}`, [
      "an older NixFleet does not read what a newer one has written: run the newer one, or restore a backup",
    ]);
  }
  return database;
}

/**
 * A change that is said again soon, so a power cut may take the last seconds of them: it waits for no disk. Whatever is decided from it waits
 * for both. Should the process be killed, nothing is lost.
 */
export async function changeLightly<T>(database: Database, act: (change: Change) => Promise<T>): Promise<T> {
  if (!isSqlite(database)) {
    return await database.transaction().execute(async (change) => {
      await sql`set local synchronous_commit = off`.execute(change);
      return await act(change);
    });
  }
  return await database.connection().execute(async (connection) => {
    await sql`pragma synchronous = normal`.execute(connection);
    try {
      return await connection.transaction().execute(act);
    } finally {
      await sql`pragma synchronous = full`.execute(connection);
    }
  });
}

export function isSqlite(database: Pick<Database, "getExecutor">): boolean {
  return database.getExecutor().adapter instanceof SqliteAdapter;
}

async function postgres(url: string): Promise<PostgresDialect> {
  const { default: pg } = await import("pg").catch(() => {
    throw new UserError("PostgreSQL needs the npm package pg, which is not installed", ["run: npm install pg"]);
  });
  const EIGHT_BYTES = pg.types.builtins.INT8;
  return new PostgresDialect({
    pool: new pg.Pool({
      connectionString: url,
      max: 10,
      connectionTimeoutMillis: 10_000,
      // No count here comes near 2^53, from where numbers are not exact.
      types: {
        getTypeParser: (type, format) => (type === EIGHT_BYTES ? Number : pg.types.getTypeParser(type, format)),
      },
    }),
  });
}

/** Each runs once, in its order, one instance at a time. */
async function migrate(database: Database): Promise<void> {
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
