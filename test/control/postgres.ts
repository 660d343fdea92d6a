/** A PostgreSQL server of its own for a test: Debian's, in a temporary folder, as its user. */
import { execFile } from "node:child_process";
import { chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Server extends AsyncDisposable {
  /** A new, empty database. */
  database(): Promise<string>;
}

export async function postgresServer(): Promise<Server> {
  const folder = await mkdtemp("/tmp/nixfleet-postgres-");
  const [version = ""] = (await readdir("/usr/lib/postgresql")).sort((one, other) => Number(other) - Number(one));
  const bin = join("/usr/lib/postgresql", version, "bin");
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout);
  await chown(folder, await id("--user"), await id("--group"));
  const asPostgres = (program: string, ...args: string[]) =>
    run("setpriv", ["--reuid=postgres", "--regid=postgres", "--init-groups", join(bin, program), ...args], {
      cwd: folder,
    });
  const data = join(folder, "data");
  await asPostgres("initdb", "--pgdata", data, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C");
  // It listens on a socket in its own folder alone.
  const options = `-c fsync=off -c listen_addresses='' -c unix_socket_directories=${folder}`;
  await asPostgres(
    "pg_ctl",
    "--pgdata",
    data,
    "--wait",
    "--silent",
    "--log",
    join(folder, "log"),
    "--options",
    options,
    "start",
  );
  let databases = 0;
  return {
    database: async () => {
      databases += 1;
      const name = `fleet${databases}`;
      await asPostgres("createdb", "--host", folder, name);
      return `postgres://postgres@${encodeURIComponent(folder)}/${name}`;
    },
    [Symbol.asyncDispose]: async () => {
      await asPostgres("pg_ctl", "--pgdata", data, "--wait", "--silent", "--mode=immediate", "stop");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
