/** Hosts whose root stays, from their own disks: what an ephemeral root must not be needed for. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { diskoTemplates } from "../../src/index.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { DiskTable } from "../disk-table.ts";
import { installed } from "./installed.ts";
import { metalHost } from "./metal-host.ts";

const BOOT_TIME = 300_000;
const table = new DiskTable(import.meta.filename);

describe("a host whose root stays", () => {
  for (const [name, firmware, root, boots] of [
    ["ext4", "UEFI", "ext4 /", 1],
    ["btrfs", "UEFI", "btrfs /@root", 2], // where it could be wiped
    ["btrfsBios", "BIOS", "btrfs /@root", 1],
  ] as const) {
    const keeps = boots === 2 ? "keeps what is written, " : "";
    test(`${name} comes up by ${firmware}, ${keeps}has its store read-only, and swaps`, async () => {
      await using folder = await temporaryFolder();
      const template = diskoTemplates[name]({ disk: "/dev/vda", swapSize: "64M" });
      const { machine } = await installed(metalHost(name.toLowerCase(), template), folder.path, {
        size: "4G",
        firmware,
      });
      const boot = async () => bootMachine(await machine(), (started) => started.waitForSsh(BOOT_TIME));
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
        assert.equal(
          await line("stat -c '%U %a' /home/alice /home/alice/.bashrc"),
          "alice 700\nalice 644",
          "also where /home is a filesystem of its own",
        );
        await line("echo kept > /etc/kept; sync");
        await guest.powerOff();
      }
      table.ran(name, firmware);
      if (boots === 1) return;
      await using guest = await boot();
      assert.equal(await guest.ssh("cat /etc/kept"), "kept\n");
    });
  }

  test("the table in docs/disks.md says what ran here", () => table.check());
});
