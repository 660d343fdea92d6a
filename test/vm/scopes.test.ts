/** Every scope on one host: its service runs, and what it was given to keep is there after a power cut. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { machineOf } from "../../src/deploy/vm.ts";
import { GIB } from "../../src/layout/size.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { comesUp } from "./booting.ts";
import { type ScopeState, STATES } from "./scope-state.ts";
import { served } from "./scopes-host.ts";

/** All of it at once, emulated. */
const BOOT_TIME = 600_000;
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");
const plan = planOf(served, fleetFolder);

describe("a host with every scope", () => {
  const stack = new AsyncDisposableStack();
  const seenBefore = new Map<ScopeState, string>();
  let start: () => Promise<Machine>;
  let guest: Machine;

  before(async () => {
    const scratch = stack.use(await temporaryFolder());
    const image = join(scratch.path, "served.img");
    const closure = await buildHost(plan, { fleetFolder });
    await provideImage({ plan, closure, file: image, size: 16 * GIB });
    start = async () => {
      const machine = { ...(await machineOf(plan, closure, image)), memory: 3072 };
      return stack.use(await bootMachine(machine, comesUp(BOOT_TIME)));
    };
    guest = await start();
  });
  after(() => stack.disposeAsync());

  const run = async (command: string) => (await guest.ssh(`set -eu\n${command}`)).trim();

  test("starts whole: no unit failed, every entry is in place", runs);

  for (const state of STATES) {
    test(`${nameOf(state)} runs, and takes what it is to keep`, async () => {
      await run(state.write);
      const seen = await run(state.read);
      assert.match(seen, state.shows);
      seenBefore.set(state, seen);
    });
  }

  test("its power is cut", async () => {
    // cupsd writes half a minute after a change.
    await run("timeout 120 sh -c 'until grep -q kept /etc/cups/printers.conf; do sleep 1; done'; sync");
    await guest.powerOff();
    guest = await start();
  });

  test("starts whole again", runs);

  for (const state of STATES) {
    test(`${nameOf(state)} has kept it`, async () => {
      assert.equal(await run(state.read), seenBefore.get(state));
    });
  }

  async function runs() {
    assert.equal(await run("systemctl --failed --no-legend --plain"), "");
    assert.deepEqual(JSON.parse(await run("cat /run/nixfleet/activation.json")).problems, []);
  }
});

function nameOf({ scope, of }: ScopeState): string {
  return of === undefined ? scope : `${scope} of ${of}`;
}
