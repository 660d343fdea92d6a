/** Health checks: asked when they are due, and failing only after so many failures, one after the other. */
import { connect } from "node:net";
import { z } from "zod";
import { CommandError, run } from "../local/process.ts";
import type { Checks } from "./decide.ts";
import type { Check } from "./settings.ts";

const counted = z.strictObject({
  passes: z.boolean(),
  says: z.string(),
  /** How often it has failed since it last passed. */
  failed: z.number().int(),
  /** When it was asked, in seconds since the boot: no clock that can jump. */
  at: z.number(),
});

export const countsSchema = z.strictObject({
  /** What they are about: of another closure nothing is known yet. */
  of: z.string(),
  checks: z.record(z.string(), counted),
});

export type Counts = z.infer<typeof countsSchema>;
export type Result = Pick<z.infer<typeof counted>, "passes" | "says">;

/** Where nothing is declared. */
export const NOTHING_FAILED: Check = {
  kind: "exec",
  name: "no failed unit",
  interval: 30,
  timeout: 30,
  failures: 3,
  // The agent's own unit is what asks.
  command: [
    "sh",
    "-c",
    'failed=$(systemctl list-units --failed --no-legend --plain | grep -v "^nixfleet-agent\\.service " | cut -d " " -f 1); [ -z "$failed" ] || { echo $failed; exit 1; }',
  ],
};

/**
 * Where nothing is declared, a boot is judged when it is over. One that takes longer than half of the time to prove itself is
 * judged meanwhile: some units start for hours.
 * @param uptime @param confirm in seconds
 * @returns what the boot waits for; empty: nothing
 */
export async function stillStarting(uptime: number, confirm: number): Promise<readonly string[]> {
  if (uptime > confirm / 2) return [];
  const state = await run("systemctl", ["is-system-running"]).catch((error: unknown) => {
    if (error instanceof CommandError) return error.stdout;
    throw error;
  });
  if (!["initializing", "starting"].includes(state.trim())) return [];
  return startingUnits(await run("systemctl", ["list-jobs", "--no-legend", "--plain"]));
}

/** Of what systemd has to do: units that are being started, and not those that wait for the proof, which waits for this. */
export function startingUnits(jobs: string): readonly string[] {
  return jobs.split("\n").flatMap((line) => {
    const [, unit = "", , state] = line.trim().split(/\s+/);
    return state === "running" && !["nixfleet-prove.service", "nixfleet-agent.service"].includes(unit) ? [unit] : [];
  });
}

/** Those that are to be asked at `now`. */
export function dueChecks(checks: readonly Check[], counts: Counts, now: number): readonly Check[] {
  return checks.filter(({ name, interval }) => {
    const last = counts.checks[name];
    // One that fails is asked again soon, so that it is known whether it does.
    return last === undefined || now - last.at >= (last.passes ? interval : Math.min(interval, 5)) || now < last.at;
  });
}

export function withResults(
  checks: readonly Check[],
  counts: Counts,
  results: ReadonlyMap<string, Result>,
  now: number,
): Counts {
  const entries = checks.flatMap(({ name }) => {
    const [before, result] = [counts.checks[name], results.get(name)];
    if (result === undefined) return before === undefined ? [] : [[name, before] as const];
    return [[name, { ...result, failed: result.passes ? 0 : (before?.failed ?? 0) + 1, at: now }] as const];
  });
  return { of: counts.of, checks: Object.fromEntries(entries) };
}

export function verdict(checks: readonly Check[], counts: Counts): Checks {
  const seen = checks.map((check) => ({ check, last: counts.checks[check.name] }));
  const says = (which: typeof seen) =>
    which
      .map(({ check, last }) => `${check.name}: ${last?.says ?? "not asked yet"}`)
      .join("; ")
      .slice(0, 1000);
  const failing = seen.filter(({ check, last }) => (last?.failed ?? 0) >= check.failures);
  if (failing.length > 0) return { kind: "failing", why: says(failing) };
  const open = seen.filter(({ last }) => last?.passes !== true);
  return open.length > 0 ? { kind: "unsure", why: says(open) } : { kind: "passing" };
}

export async function ask(check: Check): Promise<Result> {
  const signal = AbortSignal.timeout(check.timeout * 1000);
  try {
    return { passes: true, says: await answer(check, signal) };
  } catch (error) {
    const why = signal.aborted ? `no answer in ${check.timeout} s` : reason(error);
    return { passes: false, says: why.replace(/\s+/g, " ").slice(0, 300) };
  }
}

async function answer(check: Check, signal: AbortSignal): Promise<string> {
  switch (check.kind) {
    case "systemd":
      return (await run("systemctl", ["is-active", "--", check.unit], { signal })).trim();
    case "http": {
      const { status } = await fetch(check.url, { signal, redirect: "manual" });
      if (status !== check.status) throw new Error(`${check.url} answers ${status}, not ${check.status}`);
      return `${status}`;
    }
    case "tcp":
      await new Promise<void>((resolve, reject) => {
        const socket = connect({ host: check.host, port: check.port, signal });
        socket.on("connect", () => {
          socket.destroy();
          resolve();
        });
        socket.on("error", reject);
      });
      return "connected";
    case "exec": {
      const [program = "", ...args] = check.command;
      return (await run(program, args, { signal, group: true })).trim().slice(0, 300);
    }
  }
}

function reason(error: unknown): string {
  if (error instanceof CommandError)
    return [error.stdout.trim(), ...error.detail.slice(1), error.message].find((one) => one !== "") ?? "";
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
