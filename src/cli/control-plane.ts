/** `nixfleet control-plane`: runs one, and keeps it in a file. */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { backup, restore } from "../control/backup.ts";
import { controlPlane } from "../control/serve.ts";
import { CERTIFICATE_FILE } from "../control/state-folder.ts";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";
import { print, say } from "./output.ts";

interface Options {
  readonly state: string;
  readonly listen: string;
  readonly name?: readonly string[];
  readonly database?: string;
  readonly askEvery: string;
  readonly keepEvents: string;
  readonly keepAudit: string;
  readonly keepRollouts: string;
  readonly firstKeyFile?: string;
}

export async function controlPlaneCommand(action: string, file: string | undefined, options: Options): Promise<void> {
  switch (action) {
    case "serve":
      return await serve(options);
    case "backup":
      await backup(options.state, given(file));
      return print(`${file}: the database and the authority's key; keep it where nobody else reads it`);
    case "restore":
      await restore(options.state, given(file));
      return print(`${options.state} is what ${file} holds; its rollouts are paused until you look at them`);
    default:
      throw new UserError(`control-plane cannot ${action}`, ["wanted serve, backup FILE or restore FILE"]);
  }
}

async function serve(options: Options): Promise<void> {
  const { host, port } = address(options.listen);
  await using plane = await controlPlane({
    folder: options.state,
    database: database(options.database),
    host,
    port,
    names: options.name ?? [...new Set([hostname(), "localhost", "127.0.0.1"])],
    askAgain: seconds("--ask-every", options.askEvery),
    retention: {
      events: days("--keep-events", options.keepEvents),
      audit: days("--keep-audit", options.keepAudit),
      rollouts: days("--keep-rollouts", options.keepRollouts),
    },
    log: say,
  });
  print(`listens at ${host}:${plane.port}; its authority is ${join(options.state, CERTIFICATE_FILE)}`);
  if (plane.firstKey !== null) await handOver(plane.firstKey, options.firstKeyFile);
  if (!interruption.aborted) await once(interruption, "abort");
}

/** What a service prints is in the journal, which others read. */
async function handOver(key: string, file: string | undefined): Promise<void> {
  if (file === undefined) return print(`the first API key, an admin's, shown this once: ${key}`);
  await writeFile(file, `${key}\n`, { mode: 0o600, flush: true });
  print(`the first API key, an admin's, is in ${file}: use it, then delete the file`);
}

function given(file: string | undefined): string {
  if (file === undefined) throw new UserError("which file?", ["nixfleet control-plane backup FILE, or restore FILE"]);
  return file;
}

function address(listen: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(listen) ?? [];
  if (host === "" || Number(port) > 65_535) throw new UserError(`${listen} is not HOST:PORT`, ["such as 0.0.0.0:8443"]);
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

/** Whoever lists processes reads their arguments: a password is not among them. */
function database(option: string | undefined): string | null {
  if (option === undefined) return process.env.NIXFLEET_DATABASE ?? null;
  if (!/^postgres(ql)?:\/\//.test(option))
    throw new UserError("--database wants postgres://…", ["without it, SQLite is in --state"]);
  if (URL.canParse(option) && new URL(option).password !== "") {
    throw new UserError("--database has a password, which everybody on this machine could read", [
      "put the whole URL into NIXFLEET_DATABASE",
    ]);
  }
  return option;
}

function seconds(option: string, text: string): number {
  return whole(option, text, "seconds", 5, 3600);
}

function days(option: string, text: string): number {
  return whole(option, text, "days", 1, 36_500);
}

function whole(option: string, text: string, unit: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most) {
    throw new UserError(`${option} wants a number of ${unit} from ${least} to ${most}, got ${text}`);
  }
  return number;
}
