/**
 * A stick that `nixfleet image --installer` made puts its host onto the disk of a machine that has no network, and that
 * holds the same host already: labelled alike, as after an installation that was interrupted.
 */
import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import { diskoTemplates } from "../../src/index.ts";
import { GIB } from "../../src/layout/size.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { FirmwareMachine, Machine } from "../../src/vm/machine.ts";
import { firmwareOf } from "./booting.ts";
import { metalHost } from "./metal-host.ts";

const TIME = 300_000;
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");
const PROMPT = /root@tested:~# $/;

for (const [firmware, template] of [
  ["UEFI", "btrfsImpermanence"],
  ["BIOS", "btrfsImpermanenceBios"],
] as const) {
  const host = metalHost("tested", diskoTemplates[template]({ disk: "/dev/vda" }), {
    nixfleet: { impermanence: { enable: true } },
  });
  describe(`a stick without a network, on a machine with ${firmware}`, () => {
    const stack = new AsyncDisposableStack();
    let stick: Machine;
    let disk: string;
    let machineWith: (image: string, variables: string) => Promise<FirmwareMachine>;

    before(async () => {
      const { path } = stack.use(await temporaryFolder());
      const plan = planOf(host, fleetFolder);
      const closure = await buildHost(plan, { fleetFolder });
      const image = join(path, "stick.img");
      await provideImage({ plan, closure, file: image, size: 4 * GIB, installer: true });
      disk = join(path, "disk.img");
      await provideImage({ plan, closure, file: disk, size: 6 * GIB });
      const small = await empty(join(path, "small.img"), GIB / 4);
      machineWith = async (first, variables) => {
        const kernel = join(closure.folder, "vmlinuz");
        return bareMachine(plan, kernel, first, await firmwareOf(firmware, plan.platform, join(path, variables)));
      };
      const machine = await machineWith(image, "stick.fd");
      const options = {
        ...machine,
        disks: [...machine.disks, disk, small],
        sshPort: null,
      };
      stick = stack.use(await bootMachine(options, (started) => started.waitFor(PROMPT, TIME)));
    });
    after(() => stack.disposeAsync());

    let commands = 0;
    /** Types a command at the console, and what it then asks for; what it said, and its exit code. */
    const typed = async (line: string, ...answers: string[]) => {
      const [seen, number] = [stick.console.length, ++commands];
      stick.type([`${line}; echo ended-${number}-$?-`, ...answers, ""].join("\n"));
      const [, code] = await stick.waitFor(new RegExp(`ended-${number}-(\\d+)-`), TIME);
      return { code, said: stick.console.slice(seen).join("\n") };
    };

    test("its console says what it is for, and is root's", async () => {
      assert.match(stick.console.join("\n"), /This disk installs the host tested\. No network is needed\./);
      assert.match((await typed("ls /sys/class/net | tr '\\n' .; echo")).said, /^lo\.$/m);
    });

    test("it is what it booted from: of another disk that is labelled alike it has nothing, and its root is wiped", async () => {
      const { said } = await typed(
        "findmnt --noheadings --list --output TARGET,SOURCE; readlink -f /dev/disk/by-label/*",
      );
      assert.match(said, /^\/ +\/dev\/vda2\[\/@root\]$/m);
      assert.match(said, /^\/dev\/vda2$/m);
      assert.doesNotMatch(said, /vdb/);
      const links = await typed("udevadm info --query=symlink /dev/vdb2; cat /run/nixfleet/wipe.json");
      assert.match(links.said, /disk\/by-partuuid\//);
      assert.doesNotMatch(links.said, /(^| )disk\/by-(part)?label\//m);
      assert.match(links.said, /"outcome":"wiped"/);
    });

    test("it lists the disks, and refuses its own, one that is mounted, one that is too small and what is no disk", async () => {
      const { code, said } = await typed("nixfleet install");
      assert.equal(code, "2");
      assert.match(said, /\/dev\/vdb +6G/);
      await typed("echo kept >/etc/nixos/note; mount /dev/vdb2 /mnt");
      for (const [device, reason] of [
        ["/dev/vda", /vda is in use: it is mounted on/],
        ["/dev/vda2", /vda2 is a partition: name the whole disk/],
        ["/dev/vdb", /vdb is in use: it is mounted on \/mnt/],
        ["/dev/vdc", /vdc is too small: it has 256 MiB, and the partitions of tested need \d+/],
        ["/dev/zero", /zero is not a disk/],
      ] as const) {
        const refused = await typed(`nixfleet install ${device} --yes-wipe`);
        assert.match(refused.said, reason);
        assert.equal(refused.code, "1", device);
      }
      assert.equal((await typed("umount /mnt")).code, "0");
    });

    test("it asks for the disk's name, and puts the host there", async () => {
      assert.match((await typed("nixfleet install /dev/vdb", "yes")).said, /was not confirmed, so nothing was written/);
      const { code, said } = await typed("nixfleet install /dev/vdb", "/dev/vdb");
      assert.match(
        said,
        /ALL OF THIS WILL BE LOST[\s\S]*\/dev\/vdb2 .*btrfs +root[\s\S]*tested is on \/dev\/vdb\. Remove/,
      );
      assert.equal(code, "0");
      await stick.shutdown(TIME);
    });

    test("the disk boots alone: an ephemeral root, its own first generation, and nothing that persists on the stick", async () => {
      const machine = await machineWith(disk, "disk.fd");
      await using alone = await bootMachine(machine, (started) => started.waitForSsh(TIME));
      await alone.ssh("systemctl is-system-running --wait || true");
      assert.equal((await alone.ssh("systemctl --failed --no-legend --plain")).trim(), "");
      assert.match(await alone.ssh("nixfleet status"), /This is generation 1\.\n.*The root is fresh/);
      assert.equal(await alone.ssh("ls /nix/nixfleet/generations /nix/nixfleet/objects | wc -l"), "6\n");
      assert.equal(await alone.ssh("findmnt -n -o SOURCE -M /"), "/dev/vda2[/@root]\n");
      assert.equal(await alone.ssh("ls /etc/nixos; cat /proc/cmdline | grep -c installer || true"), "0\n");
      assert.equal(await alone.ssh("ls /run/motd.d 2>/dev/null || true"), "");
    });
  });
}

async function empty(file: string, size: number): Promise<string> {
  await writeFile(file, "");
  await truncate(file, size);
  return file;
}
