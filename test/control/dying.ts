/** A database whose process dies before its n-th statement: from there on nothing reaches it, not even the end of a transaction. */
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from "kysely";

export class Died extends Error {}

export class DyingDialect implements Dialect {
  readonly #dialect: Dialect;
  /** How many statements it lives for yet. */
  left: number;

  constructor(dialect: Dialect, left: number) {
    this.#dialect = dialect;
    this.left = left;
  }

  readonly lives = (): void => {
    this.left -= 1;
    if (this.left < 0) throw new Died("the process is killed");
  };

  createDriver(): Driver {
    return new DyingDriver(this.#dialect.createDriver(), this.lives);
  }

  createQueryCompiler() {
    return this.#dialect.createQueryCompiler();
  }

  createAdapter() {
    return this.#dialect.createAdapter();
  }

  createIntrospector(...args: Parameters<Dialect["createIntrospector"]>) {
    return this.#dialect.createIntrospector(...args);
  }
}

class DyingDriver implements Driver {
  readonly #driver: Driver;
  readonly #lives: () => void;
  readonly #connections = new WeakMap<DatabaseConnection, DatabaseConnection>();

  constructor(driver: Driver, lives: () => void) {
    this.#driver = driver;
    this.#lives = lives;
  }

  async init(): Promise<void> {
    await this.#driver.init();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const real = await this.#driver.acquireConnection();
    const lives = this.#lives;
    const connection: DatabaseConnection = {
      executeQuery: async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
        lives();
        return await real.executeQuery<R>(query);
      },
      streamQuery: () => {
        throw new Error("nothing here streams");
      },
    };
    this.#connections.set(connection, real);
    return connection;
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    this.#lives();
    await this.#driver.beginTransaction(this.#real(connection), settings);
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    this.#lives();
    await this.#driver.commitTransaction(this.#real(connection));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    this.#lives();
    await this.#driver.rollbackTransaction(this.#real(connection));
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    await this.#driver.releaseConnection(this.#real(connection));
  }

  async destroy(): Promise<void> {
    await this.#driver.destroy();
  }

  #real(connection: DatabaseConnection): DatabaseConnection {
    return this.#connections.get(connection) ?? connection;
  }
}
