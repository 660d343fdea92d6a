/** A switch is brought to its host, which does it by itself: over a connection that it may cut, and confirmed over a new one. */
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";
import { CommandError, quoted } from "../local/process.ts";
import { scriptError } from "../local/script-error.ts";
import { type TargetHost, Unreachable } from "./target-host.ts";

/** What a host is to become, and what that was planned from. */
export interface Switch {
  /** The store path. */
  readonly closure: string;
  /** Closures whose files may be on its root, the newest last. */
  readonly from: readonly string[];
  /** See src/payload/host/switch.sh. */
  readonly lists: { readonly list: string; readonly made: string; readonly placed: string };
}

export interface Switched {
  readonly outcome: "switched" | "incomplete" | "back" | "partly-back";
  /** What was done, a line each. */
  readonly done: readonly string[];
  /** What failed; doing it again goes on with that. */
  readonly problems: readonly string[];
}

/**
 * @param confirm how many seconds the host waits for a confirmation; 0: it asks for none
 * @throws UserError where nothing was changed, or nothing is known of what became of it
 */
export async function carrySwitch(
  what: Switch,
  target: TargetHost,
  confirm: number,
  onProgress: (step: string) => void,
): Promise<Switched> {
  const scripts = `${what.closure}/root/etc/nixfleet`;
  const shell = (...argv: readonly string[]) => ["sh", ...argv].map(quoted).join(" ");
  const folder = await start(target, shell(`${scripts}/switch-start.sh`, what.closure), switchFiles(what, confirm));
  const follow = async (patience: number, ...outcomes: readonly string[]) => {
    const command = shell(`${scripts}/switch-follow.sh`, folder, ...outcomes);
    const report = await reached(target, patience, (host, signal) => host.run(command, { signal }).then(readReport));
    return report ?? lost(target, confirm);
  };
  let report = await follow(PATIENCE, "running");
  while (report.outcome === "running") report = await follow(PATIENCE, "running");
  if (report.outcome === "waiting") {
    onProgress("confirming it over a new connection");
    const command = shell(`${scripts}/confirm.sh`, what.closure);
    // Refused, it is too late: what follows says so.
    await reached(target.anew(), confirm, (host, signal) =>
      host.run(command, { signal }).catch((error: unknown) => {
        if (!(error instanceof CommandError)) throw error;
      }),
    );
  }
  while (UNSETTLED.includes(report.outcome)) report = await follow(confirm + PATIENCE, ...UNSETTLED);
  const { outcome, done, problems } = report;
  switch (outcome) {
    case "switched":
    case "incomplete":
    case "back":
    case "partly-back":
      return { outcome, done, problems };
    default:
      throw new UserError(`${target.name}: ${problems.at(-1) ?? "nothing was changed"}`, problems.slice(0, -1));
  }
}

const UNSETTLED = ["running", "waiting", "going-back"];
/** How long a host may be out of reach, in seconds. */
const PATIENCE = 120;
/** How long an answer may take, in seconds: switch-follow.sh gives one after ten. */
const ANSWER = 30;

/** What src/payload/host/switch.sh finds in its folder, without the closure. */
export function switchFiles({ from, lists }: Switch, confirm: number): Readonly<Record<string, string>> {
  return { ...lists, closures: from.map((path) => `${path}\n`).join(""), confirm: `${confirm}\n` };
}

/** What switch-start.sh reads: each line behind the name of its file. */
export function switchInput(files: Readonly<Record<string, string>>): string {
  const lines = Object.entries(files).flatMap(([name, text]) =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => `${name}\t${line}\n`),
  );
  return lines.join("");
}

async function start(target: TargetHost, command: string, files: Readonly<Record<string, string>>): Promise<string> {
  try {
    return (await target.run(command, { input: switchInput(files) })).trim();
  } catch (error) {
    throw scriptError(error, target.name);
  }
}

/** Over the connection that is there, then over new ones. `null`: it was out of reach for that many seconds. */
async function reached<T>(
  target: TargetHost,
  patience: number,
  ask: (host: TargetHost, signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  const end = performance.now() + patience * 1000;
  for (let host = target; ; host = target.anew()) {
    const time = AbortSignal.timeout(ANSWER * 1000);
    try {
      return await ask(host, AbortSignal.any([interruption, time]));
    } catch (error) {
      interruption.throwIfAborted();
      if (!(error instanceof Unreachable) && !time.aborted) throw error;
      if (performance.now() > end) return null;
    }
    await sleep(1000, null, { signal: interruption });
  }
}

function lost(target: TargetHost, confirm: number): never {
  throw new UserError(`${target.name} cannot be reached since it was switched`, [
    confirm > 0
      ? `unless its network is at fault elsewhere, it has gone back to what it was after ${confirm} s`
      : "it was not asked to go back by itself (--confirm SECONDS asks for that); a reboot boots the new generation",
    "on the host itself, `nixfleet status` says what became of it, and `journalctl -t nixfleet-switch` what was done",
  ]);
}

interface Report {
  readonly outcome: string;
  readonly done: readonly string[];
  readonly problems: readonly string[];
}

/** Of switch-follow.sh. */
function readReport(text: string): Report {
  const values = (name: string) =>
    text
      .split("\n")
      .filter((line) => line.startsWith(`${name}=`))
      .map((line) => line.slice(name.length + 1));
  return { outcome: values("outcome")[0] ?? "", done: values("done"), problems: values("problem") };
}
