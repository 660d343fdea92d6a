/**
 * `npm run bench:crash`, as root: what `npm test` shows of crashes, thousands of times, and machines in QEMU whose power
 * is cut. NIXFLEET_SEED repeats it; NIXFLEET_CUTS (of each recording), NIXFLEET_KILLS, NIXFLEET_HISTORIES and
 * NIXFLEET_MACHINES say how often.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { print, printError } from "../src/cli/output.ts";
import { unwindOnInterrupt } from "../src/local/interruption.ts";
import { SEED } from "../test/crash/random.ts";
import { cutMachines } from "../test/crash/vm-power-cut.ts";

const OFTEN = { NIXFLEET_CUTS: "200", NIXFLEET_KILLS: "1500", NIXFLEET_HISTORIES: "500" };
const MACHINES = Number(process.env.NIXFLEET_MACHINES ?? 20);

unwindOnInterrupt();
try {
  const tests = await runTests();
  if (MACHINES > 0) await cutMachines(MACHINES, SEED, print);
  process.exitCode = tests;
} catch (error) {
  printError(error);
  if (error instanceof Error && error.cause !== undefined) printError(error.cause);
  process.exitCode = 1;
}

/** @returns their exit code */
async function runTests(): Promise<number> {
  const tests = ["power-cut", "kill", "histories"].map((name) =>
    join(import.meta.dirname, "..", "test", "crash", `${name}.test.ts`),
  );
  const child = spawn(process.execPath, ["--test", "--test-concurrency=1", "--test-reporter=spec", ...tests], {
    stdio: "inherit",
    env: { ...OFTEN, ...process.env, NIXFLEET_SEED: `${SEED}` },
  });
  const [code] = await once(child, "close");
  return code === 0 ? 0 : 1;
}
