/** Every scope on one host: its service runs, and what it was given to keep is there after a power cut. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { machineOf } from "../../src/deploy/vm.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { activationReport } from "../reports.ts";
import { comesUp } from "./booting.ts";
import { installed } from "./installed.ts";
import { type ScopeState, STATES } from "./scope-state.ts";
import { served } from "./scopes-host.ts";

/** All of it at once, emulated. */
const BOOT_TIME = 600_000;

describe("a host with every scope", () => {
  const stack = new AsyncDisposableStack();
  const seenBefore = new Map<ScopeState, string>();
  let start: () => Promise<Machine>;
  let guest: Machine;

  before(async () => {
    const scratch = stack.use(await temporaryFolder());
    const { plan, closure, image } = await installed(served, scratch.path, { size: "16G" });
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

  test("what the next boot takes away is nothing that a program would miss", async () => {
    const { compared, drift } = JSON.parse(await run("nixfleet drift --json"));
    assert.equal(compared, "by btrfs");
    assert.deepEqual(
      drift.map(({ path }: { path: string }) => path),
      [],
    );
    // Debian's tmpfiles.d would put a link of its own there.
    assert.equal(await run("cat /etc/vconsole.conf"), "KEYMAP=us");
  });

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
    // The agent was never enrolled: with something in its folder it takes its memory for lost, and its unit fails.
    assert.equal(await run("systemctl --failed --no-legend --plain | grep -v ^nixfleet-agent.service || true"), "");
    assert.deepEqual(activationReport(await guest.ssh("cat /run/nixfleet/activation.report")).problems, []);
  }
});

function nameOf({ scope, of }: ScopeState): string {
  return of === undefined ? scope : `${scope} of ${of}`;
}
