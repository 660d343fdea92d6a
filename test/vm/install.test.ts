/**
 * A machine that boots from its own disk, by firmware and boot loader; and that goes back by itself when its newest
 * generation does not come up.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import { diskoTemplates, type HostDeclaration } from "../../src/index.ts";
import { GIB } from "../../src/layout/size.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine, MachineOptions } from "../../src/vm/machine.ts";
import { DiskTable } from "../disk-table.ts";
import { firmwareOf } from "./booting.ts";
import { metalHost } from "./metal-host.ts";

const BOOT_TIME = 300_000;
// Shares the example's lock, and so its package tree.
const table = new DiskTable(import.meta.filename);
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");

for (const [firmware, name, tries] of [
  ["UEFI", "btrfsImpermanence", 3],
  ["BIOS", "btrfsImpermanenceBios", 1],
] as const) {
  const template = diskoTemplates[name]({ disk: "/dev/vda" });
  const settings = { nixfleet: { impermanence: { enable: true } }, boot: { loader: { tries } } };
  describe(`a host installed for ${firmware}`, () => {
    const stack = new AsyncDisposableStack();
    let machine: () => Promise<MachineOptions>;
    let install: (...modules: HostDeclaration["modules"]) => Promise<void>;
    let guest: Machine;

    before(async () => {
      const { path } = stack.use(await temporaryFolder());
      const image = join(path, "metal.img");
      let kernel = "";
      install = async (...modules) => {
        const plan = planOf(metalHost("metal", template, settings, ...modules), fleetFolder);
        const closure = await buildHost(plan, { fleetFolder });
        kernel = join(closure.folder, "vmlinuz");
        await provideImage({ plan, closure, file: image, size: 8 * GIB });
      };
      machine = async () => {
        const platform = "x86_64-linux";
        const booted = await firmwareOf(firmware, platform, join(path, "variables.fd"));
        return bareMachine({ platform }, kernel, image, booted);
      };
      await install();
      guest = await boot();
    });
    const boot = async () => stack.use(await bootMachine(await machine(), (started) => started.waitForSsh(BOOT_TIME)));
    after(() => stack.disposeAsync());

    const generations = async () =>
      (
        JSON.parse(await guest.ssh("sh /etc/nixfleet/generations.sh --json")) as {
          readonly number: number;
          readonly state: string;
          readonly runs: boolean;
          readonly changes: string;
        }[]
      ).map(({ number, state, runs, changes }) => ({ number, state, runs, changes }));

    test("it boots without a kernel on QEMU's command line, all of it comes up, and its generation is good", async () => {
      await guest.ssh("systemctl is-system-running --wait || true");
      assert.equal((await guest.ssh("systemctl --failed --no-legend --plain")).trim(), "");
      await guest.ssh("timeout 60 sh -c 'until sh /etc/nixfleet/generations.sh | grep -q good; do sleep 1; done'");
      assert.deepEqual(await generations(), [
        { number: 1, state: "good", runs: true, changes: "the first generation" },
      ]);
    });

    test("its store is read-only to everybody, and generations can be chosen all the same", async () => {
      assert.match(await guest.ssh("touch /nix/x 2>&1 || true"), /Read-only/);
      assert.match(await guest.ssh("sh /etc/nixfleet/rollback.sh 1"), /next boot is generation 1/);
      assert.match(await guest.ssh("sh /etc/nixfleet/rollback.sh newest"), /newest generation that works/);
      assert.equal(await guest.ssh("sh /etc/nixfleet/gc.sh --dry-run"), "");
      assert.match(await guest.ssh("touch /nix/x 2>&1 || true"), /Read-only/);
    });

    test(`a generation that does not come up in as many tries as it has, ${tries}, is passed over for the last good one`, async () => {
      await guest.ssh("echo kept > /etc/nixos/note");
      await guest.shutdown(BOOT_TIME);
      await install(BROKEN);
      guest = stack.use(await bootMachine(await machine(), (started) => started.waitForSsh((tries + 1) * BOOT_TIME)));
      assert.deepEqual(
        (await generations()).map(({ number, state, runs }) => [number, state, runs]),
        [
          [2, "passed over", false],
          [1, "good", true],
        ],
      );
      // Where an emulated processor stopped in one of them, the machine was started again, with a new console.
      const boots = guest.console.filter((line) => /Command line:.*nixfleet\.closure=.*metal/.test(line));
      assert.ok(boots.length <= tries + 1, boots.join("\n"));
    });

    test("it has what persists, and says on the console and to who logs in what has happened", async () => {
      assert.equal(await guest.ssh("cat /etc/nixos/note"), "kept\n");
      await guest.waitFor(/GENERATION 2 WAS PASSED OVER/, 60_000);
      assert.match(await guest.ssh("cat /run/motd.d/nixfleet"), /This is generation 1\./);
      table.ran(name, firmware);
    });
  });
}

test("the table in docs/disks.md says what ran here", () => table.check());

/** Never reaches boot-complete.target, and boots again instead. */
const BROKEN = {
  systemd: {
    services: {
      broken: {
        requiredBy: ["boot-complete.target"],
        before: ["boot-complete.target"],
        unitConfig: { DefaultDependencies: false, FailureAction: "reboot-immediate" },
        serviceConfig: { Type: "oneshot", ExecStart: "/bin/false" },
      },
    },
  },
};
