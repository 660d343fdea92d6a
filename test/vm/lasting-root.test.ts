/** Hosts whose root stays, from their own disks: what an ephemeral root must not be needed for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import { diskoTemplates } from "../../src/index.ts";
import { GIB } from "../../src/layout/size.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { DiskTable } from "../disk-table.ts";
import { firmwareOf } from "./booting.ts";
import { metalHost } from "./metal-host.ts";

const BOOT_TIME = 300_000;
// Shares the example's lock, and so its package tree.
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");
const table = new DiskTable(import.meta.filename);

describe("a host whose root stays", () => {
  for (const [name, firmware, root] of [
    ["ext4", "UEFI", "ext4 /"],
    ["btrfs", "UEFI", "btrfs /@root"],
    ["btrfsBios", "BIOS", "btrfs /@root"],
  ] as const) {
    test(`${name} comes up by ${firmware}, keeps what is written, has its store read-only, and swaps`, async () => {
      await using folder = await temporaryFolder();
      const file = join(folder.path, "disk.img");
      const template = diskoTemplates[name]({ disk: "/dev/vda", swapSize: "64M" });
      const plan = planOf(metalHost(name.toLowerCase(), template), fleetFolder);
      const closure = await buildHost(plan, { fleetFolder });
      await provideImage({ plan, closure, file, size: 4 * GIB });
      const kernel = join(closure.folder, "vmlinuz");
      const booted = await firmwareOf(firmware, plan.platform, join(folder.path, "variables.fd"));
      const machine = await bareMachine(plan, kernel, file, booted);
      const boot = () => bootMachine(machine, (started) => started.waitForSsh(BOOT_TIME));
      {
        await using guest = await boot();
        const line = async (command: string) => (await guest.ssh(command)).trim();
        await line("systemctl is-system-running --wait || true");
        assert.equal(await line("systemctl --failed --no-legend --plain"), "");
        assert.equal(await line("findmnt --noheadings --output FSTYPE,FSROOT --raw /"), root);
        assert.match(await line("touch /nix/store/x 2>&1 || true"), /Read-only file system/);
        assert.match(await line("swapon --show=TYPE,SIZE --noheadings"), /^partition\s+64M$/);
        await line("timeout 60 sh -c 'until sh /etc/nixfleet/generations.sh | grep -q good; do sleep 1; done'");
        assert.match(await line("sh /etc/nixfleet/generations.sh"), /good/);
        assert.match(await line("nixfleet status"), /generation 1/);
        await line("echo kept > /etc/kept; sync");
        await guest.powerOff();
      }
      await using guest = await boot();
      assert.equal(await guest.ssh("cat /etc/kept"), "kept\n");
      table.ran(name, firmware);
    });
  }

  test("the table in docs/disks.md says what ran here", () => table.check());
});
