/** `npm run demo:fleet`: shows on real boots how a fleet changes, and how a host that was changed for the worse goes back. */
import { print, printError, say, table } from "../../cli/output.ts";
import { duration } from "../../cli/progress.ts";
import { unwindOnInterrupt } from "../../local/interruption.ts";
import { temporaryFolder } from "../../local/resources.ts";
import { demonstrateFleet } from "./demonstrate.ts";

unwindOnInterrupt();
try {
  const began = performance.now();
  say("NixFleet: two hosts, a control plane, and three releases\n");
  await using folder = await temporaryFolder();
  const { rows, why } = await demonstrateFleet(folder.path);
  print(
    `\n${table(
      ["", "expected", "seen"],
      rows.map(({ what, expected, seen }) => [what, expected, seen]),
    )}\n`,
  );
  print(`Why the first host went back: ${why}\n`);
  const wrong = rows.filter(({ expected, seen }) => seen !== expected).length;
  print(
    wrong === 0
      ? `Both hosts run what was signed and works, after ${duration(performance.now() - began)}.`
      : `${wrong} of ${rows.length} rows are not as expected.`,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} catch (error) {
  printError(error);
  process.exitCode = 1;
}
