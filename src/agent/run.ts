/** One run of the agent: what should this host be, what is it, and the steps from here to there. */
import { readFile, writeFile } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { fileLock } from "../local/file-lock.ts";
import { desired as desiredSchema } from "../wire/desired.ts";
import {
  beginSwitch,
  bootInto,
  confirmBoot,
  confirmSwitch,
  forgetBoot,
  installForBoot,
  prepare,
  withdrawFromBoot,
} from "./act.ts";
import {
  ask,
  type Counts,
  countsSchema,
  dueChecks,
  NOTHING_FAILED,
  type Result,
  stillStarting,
  verdict,
  withResults,
} from "./checks.ts";
import { type Connection, Denied, send, Unanswered } from "./connection.ts";
import { afterStep, type Checks, type Desired, decide, type Facts, type Step } from "./decide.ts";
import { countDrift, lastDrift } from "./drift.ts";
import { renewed } from "./enrol.ts";
import { readFacts, readStart, readSwitch, type Start } from "./facts.ts";
import { type Identity, readIdentity } from "./identity.ts";
import { MemoryLost, readState, writeState } from "./memory.ts";
import { metricsText } from "./metrics.ts";
import type { Places } from "./places.ts";
import { reportOf } from "./report.ts";
import { readSettings, type Settings } from "./settings.ts";
import type { AgentState, Work } from "./state.ts";

export interface Ran {
  /** Whether to look again in a few seconds. */
  readonly soon: boolean;
}

/** No sequence of steps is longer: prepare, switch, and what ends it. */
const STEPS = 8;

/** @throws MemoryLost, and UserError when another agent runs */
export async function runAgent(places: Places, program: string, log: (line: string) => void): Promise<Ran> {
  const settings = await readSettings(places.settings);
  let state = await readState(places.memory);
  if (state.machine !== settings.machine) {
    throw new MemoryLost(
      `${places.memory} is of the host ${state.machine}, so nothing is applied to ${settings.machine}`,
    );
  }
  await using _ = await fileLock(join(places.memory, "locks", "agent"), new UserError("another agent is running here"));
  state = await readState(places.memory); // it may have written meanwhile
  const start = await readStart(places, program);
  const connection = await connected(places, settings, log);
  const desired = await wanted(connection, log);
  const { counts, checks } = await checked(places, settings, start, log);
  const save = async (next: AgentState) => {
    if (next !== state) await writeState(places.memory, next);
    state = next;
  };
  const told: string[] = [];
  let step: Step = { kind: "rest" };
  for (let steps = 0; steps < STEPS; steps++) {
    const facts = await readFacts(places, settings, start, checks, new Date());
    step = decide(state, desired, facts);
    if (step.kind === "wait") await save(afterStep(state, step)).catch(unremembered(log));
    else await save(afterStep(state, step));
    const next = await done(places, settings, state, step, facts, log, told);
    if (next === null) break;
    await save(next);
  }
  const facts = await readFacts(places, settings, start, checks, new Date());
  if (settings.metrics !== null) {
    const text = metricsText(state, facts, Date.now());
    await writeFile(settings.metrics, text).catch((error: unknown) => log(`no metrics: ${said(error)}`));
  }
  // Without its number a report could be taken for one that came before.
  const isNumbered = await save({ ...state, report: state.report + 1 }).then(() => true, unremembered(log));
  if (isNumbered) {
    const drift = await lastDrift(places, start);
    await report(connection, await reportOf(state, facts, counts, drift, step, settings.tags, told), log);
  }
  if (state.work === null || state.work.phase === "installed") await countDrift(places, start, uptime());
  const isWaiting = state.work !== null && !(step.kind === "wait" && !step.soon);
  return { soon: isWaiting || isSoon(desired, settings, checks) };
}

/**
 * @param told gets what the next report says of it
 * @returns what the step made of the state; null: nothing more can be done in this run
 */
async function done(
  places: Places,
  settings: Settings,
  state: AgentState,
  step: Step,
  facts: Facts,
  log: (line: string) => void,
  told: string[],
): Promise<AgentState | null> {
  switch (step.kind) {
    case "rest":
      return null;
    case "wait":
      log(`waiting: ${step.why}`);
      return null;
    case "end":
      log(`change ${step.change}: ${step.end.kind}${"why" in step.end ? `, ${step.end.why}` : ""}`);
      await forgetBoot(places);
      return null;
    case "prepare":
      log(`change ${step.work.change}: fetching ${step.work.closure}`);
      return await prepared(places, settings, state, step.work, log, told);
    case "switch":
      log(`change ${step.work.change}: switching to ${step.work.closure}`);
      await beginSwitch(places, settings, step.work).catch((error: unknown) =>
        log(`the switch did not begin: ${said(error)}`),
      );
      return null; // what comes next is for the agent of that closure
    case "boot":
      log(`change ${step.work.change}: booting ${step.work.closure}`);
      return await bootInto(places, settings, step.work).then(() => null, refusing(state, step.work, log));
    case "install":
      log(`change ${step.work.change}: installing ${step.work.closure} for the next boot`);
      return await installForBoot(places, settings, step.work).then(
        () => ({ ...state, work: { ...step.work, phase: "installed" as const } }),
        refusing(state, step.work, log),
      );
    case "withdraw":
      log(`change ${step.work.change}: ${step.work.closure} is not what boots next any more`);
      return await withdrawFromBoot(places, facts.running).then(
        () => ({ ...state, work: null }),
        (error: unknown) => {
          log(`what runs is not what boots next yet: ${said(error)}`);
          return null; // the next run tries again
        },
      );
    case "confirm":
      log(`change ${step.work.change}: it has proved itself`);
      if (step.work.phase === "switching")
        await confirmSwitch(places, step.work).catch((error: unknown) => log(said(error)));
      else await confirmBoot(places);
      return null;
  }
}

async function prepared(
  places: Places,
  settings: Settings,
  state: AgentState,
  work: Work,
  log: (line: string) => void,
  told: string[],
): Promise<AgentState> {
  const tell = (line: string) => {
    log(`change ${work.change}: ${line}`);
    told.push(line);
  };
  try {
    const root = await readFile(settings.trust);
    return { ...state, work: await prepare(places, settings, state, work, root, tell) };
  } catch (error) {
    return refusing(state, work, log)(error);
  }
}

/** Whatever is wrong before anything was changed. */
function refusing(state: AgentState, work: Work, log: (line: string) => void) {
  return (error: unknown): AgentState => {
    const why = said(error);
    log(`change ${work.change}: not begun: ${why}`);
    return { ...state, change: work.change, work: null, end: { kind: "refused", why } };
  };
}

/** A disk that is full takes back nothing that proves itself. */
function unremembered(log: (line: string) => void) {
  return (error: unknown): false => {
    log(`what happened here cannot be written down: ${said(error)}`);
    return false;
  };
}

function said(error: unknown): string {
  if (error instanceof UserError) return [error.message, ...error.detail].join("; ").slice(0, 900);
  return (error instanceof Error ? error.message : String(error)).slice(0, 900);
}

async function connected(
  places: Places,
  settings: Settings,
  log: (line: string) => void,
): Promise<Connection & { identity: Identity }> {
  const authority = await readFile(settings.authority, "utf8");
  const connection = { url: settings.controlPlane, authority, identity: await readIdentity(places.memory) };
  try {
    return { ...connection, identity: await renewed(places, settings, connection, Date.now()) };
  } catch (error) {
    log(`the certificate is not renewed: ${said(error)}`); // the old one is good for as long again
    return connection;
  }
}

async function wanted(connection: Connection, log: (line: string) => void): Promise<Desired | null> {
  try {
    const { data, error } = desiredSchema.safeParse(await send(connection, "GET", "desired"));
    if (data !== undefined) return data;
    const [issue] = error.issues;
    throw new UserError(`${connection.url} answers what this agent does not understand: is it of another version?`, [
      `${issue?.path.join(".")}: ${issue?.message}`,
    ]);
  } catch (error) {
    log(said(error));
    return null; // whatever it is: nothing is decided by an answer that is none
  }
}

async function report(connection: Connection, what: unknown, log: (line: string) => void): Promise<void> {
  try {
    await send(connection, "POST", "report", what);
  } catch (error) {
    // What it says is in the state, so the next report says it again.
    if (!(error instanceof Unanswered || error instanceof Denied)) throw error;
    log(`the report is not delivered: ${said(error)}`);
  }
}

/** Those of another closure, or from before a switch, say nothing of this one. */
async function checked(
  places: Places,
  { checks: declared, confirm }: Settings,
  start: Start,
  log: (line: string) => void,
): Promise<{ counts: Counts; checks: Checks }> {
  const file = join(places.runtime, "agent-checks.json");
  const of = `${start.bootId} ${start.running} ${(await readSwitch(places))?.outcome ?? ""}`;
  const before = await readCounts(file, of);
  const starting = declared.length === 0 ? await stillStarting(uptime(), confirm) : [];
  if (starting.length > 0)
    return { counts: before, checks: { kind: "unsure", why: `still starting: ${starting.join(", ")}`.slice(0, 1000) } };
  const checks = declared.length === 0 ? [NOTHING_FAILED] : declared;
  const due = dueChecks(checks, before, uptime());
  const results = new Map<string, Result>(
    await Promise.all(due.map(async (check) => [check.name, await ask(check)] as const)),
  );
  const counts = withResults(checks, before, results, uptime());
  await writeFile(file, JSON.stringify(counts), { mode: 0o600 }).catch(unremembered(log));
  return { counts, checks: verdict(checks, counts) };
}

async function readCounts(file: string, of: string): Promise<Counts> {
  try {
    const counts = countsSchema.parse(JSON.parse(await readFile(file, "utf8")));
    if (counts.of === of) return counts;
  } catch {
    // None yet.
  }
  return { of, checks: {} };
}

function isSoon(desired: Desired | null, { interval }: Settings, checks: Checks): boolean {
  return checks.kind === "unsure" || (desired !== null && desired.askAgain * 2 <= interval);
}
