/** How the host is, as far as the agent's decisions depend on it. */
import { existsSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Checks, Facts } from "./decide.ts";
import { type Places, provingFile } from "./places.ts";
import { isWithinWindow, type Settings } from "./settings.ts";

/** Read when the agent starts: its own files are of the closure that the host was then. */
export interface Start {
  readonly bootId: string;
  readonly booted: string;
  readonly running: string;
  readonly own: string;
}

export async function readStart(places: Places, program: string): Promise<Start> {
  const bootId = (await readFile(join(places.proc, "sys/kernel/random/boot_id"), "utf8")).trim();
  const cmdline = await readFile(join(places.proc, "cmdline"), "utf8");
  const booted = /(?:^|\s)nixfleet\.closure=(\S+)/.exec(cmdline)?.[1] ?? "";
  const running = await readRunning(places, booted);
  // While a switch changes files, nobody knows whose this program is.
  const isChanging = (await readSwitch(places))?.outcome === "running";
  const runtime = await realpath(join(places.scripts, "runtime")).catch(() => "");
  const isOwn = runtime !== "" && (await realpath(program)).startsWith(`${runtime}/`);
  return { bootId, booted, running, own: isOwn && !isChanging ? running : "" };
}

async function readRunning(places: Places, booted: string): Promise<string> {
  const recorded = await readFile(join(places.runtime, "closure"), "utf8").catch(() => "");
  return recorded.trim().split("\n").at(-1) || booted;
}

export async function readFacts(
  places: Places,
  { window }: Settings,
  start: Start,
  checks: Checks,
  now: Date,
): Promise<Facts> {
  return {
    bootId: start.bootId,
    booted: start.booted,
    own: start.own,
    running: await readRunning(places, start.booted),
    switch: await readSwitch(places),
    newest: await readNewest(places),
    proving: existsSync(provingFile(places)),
    checks,
    inWindow: isWithinWindow(window, now.getHours() * 60 + now.getMinutes()),
  };
}

export async function readSwitch({ runtime }: Places): Promise<Facts["switch"]> {
  const folder = join(runtime, "switch", "current");
  const read = (name: string) => readFile(join(folder, name), "utf8");
  try {
    const [closure, outcome] = [(await read("closure")).trim(), (await read("outcome")).trim()];
    const problems = await read("problems").catch(() => "");
    const why = problems.replaceAll("nixfleet: ", "").trim().split("\n").slice(-5).join("; ").slice(0, 900);
    return { closure, outcome, why };
  } catch {
    return null; // none since the boot
  }
}

/** The closure of the newest generation. */
export async function readNewest({ nix }: Places): Promise<string | null> {
  const folder = join(nix, "nixfleet", "generations");
  const numbers = (await readdir(folder).catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  if (numbers.length === 0) return null;
  return (await readFile(join(folder, `${Math.max(...numbers)}`), "utf8")).split("\n")[0] ?? null;
}
