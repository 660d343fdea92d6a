/**
 * Ten thousand agents and one control plane, each on a core of its own: the program below is what has the agents, on the second core.
 * `node bench/control/load.ts [AGENTS]` runs it alone.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as later } from "node:timers/promises";
import { z } from "zod";
import { DATABASE_FILE } from "../../src/control/state-folder.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { agentsIn, enrolAll, percentile, pollAll, type SimulatedAgent } from "../../test/control/agents.ts";
import { type BenchRow, report } from "../rows.ts";
import { pinnedPlane } from "./pinned-plane.ts";

const AGENTS = 10_000;
const EVERY = 60;
const ENROLMENTS = 100;
/** In milliseconds, MiB and seconds. */
const WANTED = { latency: 100, memory: 512, recovery: 120, last: 2 };

const resultSchema = z.strictObject({
  /** From the first to the last answer, in seconds. */
  enrolled: z.number(),
  enrolErrors: z.array(z.string()),
  /** Of requests, in milliseconds. */
  p50: z.number(),
  p99: z.number(),
  cpu: z.number(),
  memory: z.number(),
  errors: z.array(z.string()),
  outage: z.strictObject({ seconds: z.number(), errors: z.array(z.string()), memory: z.number(), p99: z.number() }),
  lost: z.number(),
  generator: z.number(),
});
type Result = z.infer<typeof resultSchema>;

export async function benchLoad(agents = AGENTS): Promise<readonly BenchRow[]> {
  const said = await run("taskset", ["--cpu-list", "1", process.execPath, import.meta.filename, "agents", `${agents}`]);
  return rows(agents, resultSchema.parse(JSON.parse(said)));
}

function rows(agents: number, result: Result): readonly BenchRow[] {
  const { outage } = result;
  const many = agents.toLocaleString("en");
  const at = (what: string, measured: string, value: number, most: number, wanted: string, holds = true) => ({
    what,
    measured,
    ratio: value / most,
    wanted,
    holds: holds && value <= most,
  });
  const bound = Math.max(agents, 1);
  return [
    at(
      `${many} agents enrol, ${ENROLMENTS} a second`,
      `all in ${result.enrolled.toFixed(1)} s, ${result.enrolErrors.length} errors`,
      result.enrolled,
      agents / ENROLMENTS + WANTED.last,
      `the last within ${WANTED.last} s, no error`,
      result.enrolErrors.length === 0,
    ),
    at(
      `${many} agents ask and report every ${EVERY} s: 99 of 100 requests take less than`,
      `${result.p99.toFixed(1)} ms (half of them ${result.p50.toFixed(1)} ms), ${result.errors.length} errors`,
      result.p99,
      WANTED.latency,
      `at most ${WANTED.latency} ms`,
      result.errors.length === 0,
    ),
    at("  of one core", `${(100 * result.cpu).toFixed(0)} %`, result.cpu, 1, "less than all of it"),
    at(
      "  of the agents' core",
      `${(100 * result.generator).toFixed(0)} %`,
      result.generator,
      1,
      "or they measure themselves",
    ),
    at("  memory", `${result.memory.toFixed(0)} MiB`, result.memory, WANTED.memory, `at most ${WANTED.memory} MiB`),
    at(
      "all at once after an outage: until each is answered",
      `${outage.seconds.toFixed(1)} s, ${outage.errors.length} errors${outage.errors.length > 0 ? `: ${outage.errors[0]}` : ""}`,
      outage.seconds,
      WANTED.recovery,
      `at most ${WANTED.recovery} s, no error`,
      outage.errors.length === 0,
    ),
    at("  memory", `${outage.memory.toFixed(0)} MiB`, outage.memory, WANTED.memory, `at most ${WANTED.memory} MiB`),
    at(
      "  then, 99 of 100 requests take less than",
      `${outage.p99.toFixed(1)} ms`,
      outage.p99,
      WANTED.latency,
      `at most ${WANTED.latency} ms`,
    ),
    at(
      "reports that were answered, and are not in the database",
      `${result.lost}`,
      result.lost,
      bound,
      "none",
      result.lost === 0,
    ),
  ];
}

async function measure(count: number): Promise<Result> {
  await using folder = await temporaryFolder("/var/tmp"); // on a disk: what is answered is written
  const database = join(folder.path, DATABASE_FILE);
  const agents = await agentsIn(database, count);
  const first = await pinnedPlane(folder.path);
  const port = Number(new URL(first.at.url).port);
  const began = performance.now();
  const enrolled = await enrolAll(agents, first.at, ENROLMENTS);
  const seconds = (performance.now() - began) / 1000;
  const [before, mine, start] = [await first.cpu(), process.cpuUsage(), performance.now()];
  const steady = await pollAll(agents, first.at, { every: EVERY, times: 2 });
  const passed = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(mine);
  const cpu = ((await first.cpu()) - before) / passed;
  const memory = await first.memory();
  await first.kill();
  await later(1000);
  await using second = await pinnedPlane(folder.path, port);
  const back = performance.now();
  const all = await pollAll(agents, second.at, { every: 0, times: 1 });
  const recovery = (performance.now() - back) / 1000;
  const outage = { seconds: recovery, errors: all.errors, memory: await second.memory() };
  const after = await pollAll(agents, second.at, { every: EVERY, times: 1 });
  return {
    enrolled: seconds,
    enrolErrors: enrolled.errors,
    p50: percentile(steady.took, 0.5),
    p99: percentile(steady.took, 0.99),
    cpu,
    memory,
    errors: [...steady.errors, ...after.errors],
    outage: { ...outage, p99: percentile(after.took, 0.99) },
    lost: lost(database, agents),
    generator: (user + system) / 1e6 / passed,
  };
}

/** How many machines' last report is another than the one that was answered. */
function lost(database: string, agents: readonly SimulatedAgent[]): number {
  const db = new DatabaseSync(database, { readOnly: true });
  const rows = db.prepare("select name, sequence from machines").all();
  db.close();
  const kept = new Map(rows.map(({ name, sequence }) => [name, sequence]));
  return agents.filter(({ machine, kept: wanted }) => kept.get(machine) !== wanted).length;
}

if (import.meta.main) {
  const [what, count] = process.argv.slice(2);
  if (what === "agents") console.log(JSON.stringify(await measure(Number(count))));
  else report(await benchLoad(what === undefined ? AGENTS : Number(what)));
}
