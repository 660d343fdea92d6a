/** `npm start`: shows on a real boot that what is declared survives, and that nothing else does. */
import { join } from "node:path";
import { Listr, PRESET_TIMER } from "listr2";
import { loadHost, planOf } from "../cli/load-fleet.ts";
import { PACKAGE_ROOT, print, printError, say, table } from "../cli/output.ts";
import type { Closure } from "../closure/closure.ts";
import { buildHost } from "../deploy/build.ts";
import { provideImage } from "../deploy/image.ts";
import { machineOf } from "../deploy/vm.ts";
import { GIB } from "../layout/size.ts";
import { unwindOnInterrupt } from "../machine/interruption.ts";
import { temporaryFolder } from "../machine/resources.ts";
import { isWithin } from "../plan/refusals.ts";
import { bootMachine } from "../vm/boot.ts";
import type { Machine } from "../vm/machine.ts";
import { type Row, rows, writeScript } from "./rows.ts";

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
  const box: { closure?: Closure; machine?: Machine; rows?: readonly Row[] } = {};
  await using machines = new AsyncDisposableStack();
  const boot = async (onLine: (line: string) => void) => {
    if (box.closure === undefined) throw new Error("there is no closure yet");
    const options = { ...(await machineOf(plan, box.closure, image)), onLine };
    box.machine = machines.use(await bootMachine(options, (machine) => machine.waitForSsh(BOOT_TIME)));
  };
  const guest = () => {
    if (box.machine === undefined) throw new Error("there is no machine yet");
    return box.machine;
  };
  // A terminal shows what goes on below the running step; in a log it would be thousands of lines.
  const shownIn = (task: { output: string }) => (line: string) => {
    if (process.stderr.isTTY) task.output = line.trim();
  };
  const tasks = new Listr(
    [
      {
        title: "Build the host of examples/standalone",
        task: async (_, task) => {
          box.closure = await buildHost(plan, {
            fleetFolder: folder,
            onProgress: shownIn(task),
          });
        },
      },
      {
        title: "Make its disk",
        task: async () => {
          if (box.closure !== undefined) await provideImage({ plan, closure: box.closure, file: image, size: 8 * GIB });
        },
      },
      { title: "Boot it", task: (_, task) => boot(shownIn(task)) },
      { title: "Write files, declared and undeclared, and sync", task: () => guest().ssh(writeScript()) },
      { title: "Pull the plug", task: () => guest().powerOff() },
      { title: "Boot it again", task: (_, task) => boot(shownIn(task)) },
      {
        title: "Look what is there",
        task: async () => {
          box.rows = await rows(guest().ssh, isDeclared);
        },
      },
      { title: "Pull the plug", task: () => guest().powerOff() },
    ],
    // A terminal shows the running step in place; a log has a line for each.
    {
      renderer: process.stderr.isTTY ? "default" : "simple",
      rendererOptions: { timer: PRESET_TIMER },
      fallbackRendererOptions: { timer: PRESET_TIMER },
    },
  );
  say("NixFleet: a host whose root is new on every boot\n");
  await tasks.run();
  return box.rows ?? [];
}
