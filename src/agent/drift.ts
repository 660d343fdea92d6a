/** How much on the host nothing declares, by the host's own scripts. They take a while, so they are asked once an hour. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CommandError, run } from "../local/process.ts";
import type { Report } from "../wire/report.ts";
import type { Start } from "./facts.ts";
import type { Places } from "./places.ts";

type Drift = Report["drift"];

/** In seconds. */
const OFTEN = 3600;

const found = z.strictObject({
  /** Which boot and closure it is of. */
  of: z.string(),
  /** In seconds since the boot. */
  at: z.number(),
  drift: z.strictObject({ undeclared: z.number(), stray: z.number() }).nullable(),
});

/** What was counted last; null: nothing yet, or it cannot be counted. */
export async function lastDrift(places: Places, start: Start): Promise<Drift> {
  return (await read(places, start))?.drift ?? null;
}

/** Counts again where that is due. @param now seconds since the boot */
export async function countDrift(places: Places, start: Start, now: number): Promise<void> {
  const last = await read(places, start);
  if (last !== null && now - last.at < OFTEN) return;
  const drift = await counted(places);
  await writeFile(file(places), JSON.stringify({ of: of(start), at: now, drift }), { mode: 0o600 });
}

async function counted(places: Places): Promise<Drift> {
  const [program = "", ...args] = places.asRoot;
  const answer = async (script: string) =>
    JSON.parse(await run(program, [...args, "sh", join(places.scripts, script), "--json"]));
  try {
    const { drift } = z.object({ drift: z.array(z.unknown()) }).parse(await answer("drift.sh"));
    const { stray } = z.object({ stray: z.array(z.unknown()) }).parse(await answer("stray.sh"));
    return { undeclared: drift.length, stray: stray.length };
  } catch (error) {
    // Where the root is not ephemeral nothing drifts.
    if (error instanceof CommandError || error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

async function read(places: Places, start: Start): Promise<z.infer<typeof found> | null> {
  try {
    const last = found.parse(JSON.parse(await readFile(file(places), "utf8")));
    return last.of === of(start) ? last : null;
  } catch {
    return null; // nothing yet
  }
}

function of({ bootId, running }: Start): string {
  return `${bootId} ${running}`;
}

function file({ runtime }: Places): string {
  return join(runtime, "agent-drift.json");
}
