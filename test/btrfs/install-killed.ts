/** A program for the test: installs the small closure in `argv[3]` on the device `argv[2]`, and is killed in its step number `argv[4]`. */
import { setTimeout as sleep } from "node:timers/promises";
import { claimDevices, installOnDevices } from "../../src/deploy/install.ts";
import { planWith } from "../unit/host.ts";
import { smallClosure } from "./small-closure.ts";

const [device = "", folder = "", stopAt = ""] = process.argv.slice(2);
const plan = planWith();
const [layout] = plan.disk.disks;
if (layout === undefined) throw new Error("the plan has no disk");
let left = Number(stopAt);
await using claim = await claimDevices([{ layout, device }]);
await installOnDevices({
  plan,
  closure: await smallClosure(folder),
  claim,
  onProgress: () => {
    left -= 1;
    // A little later, so that it strikes a command that runs.
    if (left === 0) void sleep(Math.random() * 30).then(() => process.kill(process.pid, "SIGKILL"));
  },
});
