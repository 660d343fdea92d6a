/** A running host, reached from here: this machine itself, or another by ssh. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { never } from "../local/interruption.ts";
import { CommandError, quoted, type RunOptions, run } from "../local/process.ts";
import { temporaryFolder } from "../local/resources.ts";
import { requireRoot } from "../local/root.ts";

export interface TargetHost {
  /** For messages. */
  readonly name: string;
  /**
   * Runs a command line in root's shell there and returns its stdout.
   * @throws CommandError when it fails
   * @throws Unreachable when the connection fails
   */
  readonly run: (command: string, options?: Pick<RunOptions, "input" | "onLine" | "signal">) => Promise<string>;
  /** The same as an argument vector, for a pipeline. */
  readonly argv: (command: string) => readonly string[];
  /** The same host, over a new connection for each command. */
  readonly anew: () => TargetHost;
}

/** Its commands share one connection, which is closed at the end of the scope. */
export interface ConnectedHost extends TargetHost, AsyncDisposable {}

export class Unreachable extends UserError {}

/**
 * A host that is connected to for each command.
 * @param destination as ssh(1) takes it, `root@server`; without one it is this machine
 * @param env options for ssh in `NIXFLEET_SSHOPTS`, separated by spaces: they win over those here
 * @throws UserError where this machine is meant and only root could do it
 */
export function targetHost(destination: string | undefined, env: Environment = process.env): TargetHost {
  if (destination === undefined) return thisHost();
  // Nobody's shared connection, whatever the given options say: a switch is confirmed over a new one.
  return remoteHost(destination, [...optionsOf({ ControlPath: "none" }), ...givenOptions(env), ...optionsOf(ALIVE)]);
}

/** The same, for several commands. */
export async function connectedHost(
  destination: string | undefined,
  env: Environment = process.env,
): Promise<ConnectedHost> {
  const alone = targetHost(destination, env);
  if (destination === undefined) return { ...alone, [Symbol.asyncDispose]: async () => {} };
  const folder = await temporaryFolder();
  const socket = join(folder.path, "ssh");
  const settings = { ControlMaster: "auto", ControlPath: socket, ControlPersist: "60" };
  const options = [...givenOptions(env), ...optionsOf({ ...ALIVE, ...settings })];
  return {
    ...remoteHost(destination, options),
    anew: () => alone,
    [Symbol.asyncDispose]: async () => {
      // Without it, the given options name another: that stays.
      if (existsSync(socket)) {
        await run("ssh", [...options, "-O", "exit", "--", destination], { signal: never }).catch(() => {});
      }
      await folder[Symbol.asyncDispose]();
    },
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

function givenOptions(env: Environment): string[] {
  return (env.NIXFLEET_SSHOPTS ?? "").split(" ").filter((option) => option !== "");
}

/** A connection that carries nothing for a minute ends, and one that does not come about in half of it. */
const ALIVE = { ServerAliveInterval: "15", ServerAliveCountMax: "4", ConnectTimeout: "30" };

function optionsOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

function remoteHost(destination: string, options: readonly string[]): TargetHost {
  const argv = (command: string) => ["ssh", ...options, "--", destination, `sh -c ${quoted(command)}`];
  const host: TargetHost = {
    name: destination,
    argv,
    run: (command, runOptions) => runThere(destination, argv(command), runOptions),
    anew: () => host,
  };
  return host;
}

function thisHost(): TargetHost {
  const advice = "run the command again with sudo, or give another host with --target-host root@HOST";
  requireRoot("manage this machine", "its store and its boot menu belong to root", advice);
  const argv = (command: string) => ["sh", "-c", command];
  const host: TargetHost = {
    name: "this machine",
    argv,
    run: (command, options) => run("sh", ["-c", command], options),
    anew: () => host,
  };
  return host;
}

async function runThere(destination: string, argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program = "", ...args] = argv;
  try {
    return await run(program, args, options);
  } catch (error) {
    // ssh's own failures have this exit code.
    if (!(error instanceof CommandError) || error.exitCode !== 255) throw error;
    throw new Unreachable(`cannot reach ${destination}`, error.detail.slice(1));
  }
}
