/** `npm start`: shows on a real boot that what is declared survives, and that nothing else does. */
import { join } from "node:path";
import { print, printError, say, table } from "../cli/output.ts";
import type { OnProgress } from "../cli/progress.ts";
import type { Closure } from "../closure/closure.ts";
import { buildHost } from "../deploy/build.ts";
import { imagesOf, provideImages } from "../deploy/image.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { machineOf } from "../deploy/vm.ts";
import { unwindOnInterrupt } from "../local/interruption.ts";
import { PACKAGE_ROOT } from "../local/package.ts";
import { temporaryFolder } from "../local/resources.ts";
import { isWithin } from "../paths.ts";
import { bootMachine } from "../vm/boot.ts";
import { type Row, rows, writeScript } from "./rows.ts";
import { step } from "./step.ts";

const BOOT_TIME = 240_000;

unwindOnInterrupt();
try {
  const seen = await demonstrate();
  print(
    `\n${table(
      ["path", "declared", "expected", "seen"],
      seen.map((row) => [row.path, row.declared ? "yes" : "no", row.expected, row.seen]),
    )}\n`,
  );
  const wrong = seen.filter((row) => row.seen !== row.expected).length;
  print(
    wrong === 0
      ? "Everything declared survived the power cut, and nothing else did."
      : `${wrong} of ${seen.length} rows are not as expected.`,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} catch (error) {
  printError(error);
  process.exitCode = 1;
}

async function demonstrate(): Promise<readonly Row[]> {
  const fleetFile = join(PACKAGE_ROOT, "examples", "standalone", "fleet.ts");
  const { host, folder } = await loadHost(fleetFile, "standalone");
  const plan = planOf(host, folder);
  const isDeclared = (path: string) => plan.persistence.entries.some((entry) => isWithin(path, entry.path));
  await using scratch = await temporaryFolder();
  const image = join(scratch.path, "standalone.img");
  await using machines = new AsyncDisposableStack();
  const boot = (closure: Closure) => async (onProgress: OnProgress) => {
    const options = { ...(await machineOf(plan, closure, image)), processors: 2, onLine: onProgress };
    return machines.use(await bootMachine(options, (machine) => machine.waitForSsh(BOOT_TIME)));
  };
  say("NixFleet: a host whose root is new on every boot\n");
  const closure = await step("Build the host of examples/standalone", (onProgress) =>
    buildHost(plan, { fleetFolder: folder, onProgress }),
  );
  await step("Make its disk", (onProgress) =>
    provideImages({ plan, closure, images: imagesOf(plan, image), onProgress }),
  );
  const first = await step("Boot it", boot(closure));
  await step("Write files, declared and undeclared, and sync", () => first.ssh(writeScript()));
  await step("Pull the plug", () => first.powerOff());
  const second = await step("Boot it again", boot(closure));
  const seen = await step("Check what survived", () => rows(second.ssh, isDeclared));
  await step("Pull the plug", () => second.powerOff());
  return seen;
}
