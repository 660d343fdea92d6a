/** A running host, reached from here: this machine itself, or another by ssh. */
import { CommandError, quoted, type RunOptions, run } from "../machine/process.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";

export interface TargetHost {
  /** For messages. */
  readonly name: string;
  /**
   * Runs a command line in root's shell there and returns its stdout.
   * @throws CommandError when it fails
   */
  readonly run: (command: string, options?: Pick<RunOptions, "input" | "onLine">) => Promise<string>;
  /** The same as an argument vector, for a pipeline. */
  readonly argv: (command: string) => readonly string[];
}

/**
 * @param destination as ssh(1) takes it, `root@server`; without one it is this machine
 * @param env options for ssh in `NIXFLEET_SSHOPTS`, separated by spaces
 * @throws UserError where this machine is meant and only root could do it
 */
export function targetHost(
  destination: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): TargetHost {
  if (destination === undefined) return thisHost();
  const options = (env.NIXFLEET_SSHOPTS ?? "").split(" ").filter((option) => option !== "");
  const argv = (command: string) => ["ssh", ...options, "--", destination, `sh -c ${quoted(command)}`];
  return { name: destination, argv, run: (command, runOptions) => runThere(destination, argv(command), runOptions) };
}

function thisHost(): TargetHost {
  const advice = "run the command again with sudo, or name another host with --target-host root@HOST";
  requireRoot("look after this machine", "its store and its boot menu are root's", advice);
  const argv = (command: string) => ["sh", "-c", command];
  return { name: "this machine", argv, run: (command, options) => run("sh", ["-c", command], options) };
}

async function runThere(destination: string, argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program = "", ...args] = argv;
  try {
    return await run(program, args, options);
  } catch (error) {
    // ssh's own failures have this exit code.
    if (!(error instanceof CommandError) || error.exitCode !== 255) throw error;
    throw new UserError(`${destination} cannot be reached`, error.detail.slice(1));
  }
}
