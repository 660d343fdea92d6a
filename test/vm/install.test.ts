/**
 * A machine that boots from its own disk, by firmware and boot loader. A stick that `nixfleet image --installer` made puts the
 * host there, without a network, over the same host: labelled alike, as after an installation that was interrupted. And
 * the machine goes back by itself when its newest generation does not come up.
 */

import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { diskoTemplates, type HostDeclaration } from "../../src/index.ts";
import { GIB } from "../../src/layout/size.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { filesystem } from "../btrfs/wipe-filesystem.ts";
import { DiskTable } from "../disk-table.ts";
import { type Installed, installed } from "./installed.ts";
import { metalHost } from "./metal-host.ts";

const BOOT_TIME = 300_000;
const PROMPT = /root@metal:~# $/;
/** That a generation has as many tries as declared, test/btrfs counts; here one is enough. */
const TRIES = 1;
const table = new DiskTable(import.meta.filename);

/** A former root and a former ESP, which udev sees after the host's own. */
async function strangersIn(folder: string): Promise<readonly string[]> {
  await using fs = await filesystem({ label: "root" });
  const [root, esp] = [join(folder, "stranger-root"), join(folder, "stranger-esp")];
  await run("sync", ["-f", fs.top]);
  await run("cp", ["--sparse=always", join(fs.scratch, "disk/image"), root]);
  await run("truncate", ["--size", "64M", esp]);
  await run("mkfs.vfat", ["-F", "32", "-n", "ESP", esp]);
  return [root, esp];
}

/** Stops in the initrd, as where a disk is missing. */
const BROKEN = { boot: { kernelParams: ["rd.systemd.unit=emergency.target"] } };

/** What a boot loader's menu may take for something of its own. The kernel leaves what has a dot to modules. */
const ODD_PARAMETERS = ["nixfleet.odd=64K$0x10000;{a}", 'nixfleet.blank="a $b; c"'];

for (const [firmware, name] of [
  ["UEFI", "btrfsImpermanence"],
  ["BIOS", "btrfsImpermanenceBios"],
] as const) {
  const template = diskoTemplates[name]({ disk: "/dev/vda" });
  const settings = {
    nixfleet: { impermanence: { enable: true } },
    boot: { kernelParams: ODD_PARAMETERS, loader: { tries: TRIES } },
  };
  describe(`a machine with ${firmware}`, () => {
    const stack = new AsyncDisposableStack();
    let install: (...modules: HostDeclaration["modules"]) => Promise<Installed>;
    let machine: Installed["machine"];
    let stick: Machine;
    let guest: Machine;
    let strangers: readonly string[];

    before(async () => {
      const { path } = stack.use(await temporaryFolder());
      const host = metalHost("metal", template, settings);
      install = (...modules) => installed(metalHost("metal", template, settings, ...modules), path, { firmware });
      const installer = await installed(host, path, { size: "4G", firmware, installer: true });
      const disk = await install();
      machine = disk.machine;
      strangers = await strangersIn(path);
      const small = await empty(join(path, "small.img"), GIB / 4);
      const own = await installer.machine();
      const options = { ...own, disks: [...own.disks, disk.image, small], sshPort: null };
      stick = stack.use(await bootMachine(options, (started) => started.waitFor(PROMPT, BOOT_TIME)));
    });
    const withStrangers = async () => {
      const own = await machine();
      return { ...own, disks: [...own.disks, ...strangers] };
    };
    after(() => stack.disposeAsync());

    let commands = 0;
    /** Types a command at the console, and what it then asks for; what it said, and its exit code. */
    const typed = async (line: string, ...answers: string[]) => {
      const [seen, number] = [stick.console.length, ++commands];
      stick.type([`${line}; echo ended-${number}-$?-`, ...answers, ""].join("\n"));
      const [, code] = await stick.waitFor(new RegExp(`ended-${number}-(\\d+)-`), BOOT_TIME);
      return { code, said: stick.console.slice(seen).join("\n") };
    };

    test("its console says what it is for, and is root's", async () => {
      assert.match(stick.console.join("\n"), /This disk installs the host metal\. No network is needed\./);
      assert.match((await typed("ls /sys/class/net | tr '\\n' .; echo")).said, /^lo\.$/m);
    });

    test("it is what it booted from: of another disk that is labelled alike it has nothing, and its root is wiped", async () => {
      const { said } = await typed(
        "findmnt --noheadings --list --output TARGET,SOURCE; readlink -f /dev/disk/by-label/*",
      );
      assert.match(said, /^\/ +\/dev\/vda2\[\/@root\]$/m);
      assert.match(said, /^\/dev\/vda2$/m);
      assert.doesNotMatch(said, /vdb/);
      const links = await typed("udevadm info --query=symlink /dev/vdb2 | tr ' ' '\\n'; cat /run/nixfleet/wipe.report");
      assert.match(links.said, /disk\/by-partuuid\//);
      assert.doesNotMatch(links.said, /(^| )disk\/by-(part)?label\//m);
      assert.match(links.said, /^outcome=wiped$/m);
    });

    test("it lists the disks, and refuses its own, one that is mounted, one that is too small and what is no disk", async () => {
      const { code, said } = await typed("nixfleet install");
      assert.equal(code, "2");
      assert.match(said, /\/dev\/vdb +8G/);
      await typed("echo kept >/etc/nixos/note; mount /dev/vdb2 /mnt");
      for (const [device, reason] of [
        ["/dev/vda", /vda is in use: it is mounted on/],
        ["/dev/vda2", /vda2 is a partition: name the whole disk/],
        ["/dev/vdb", /vdb is in use: it is mounted on \/mnt/],
        ["/dev/vdc", /vdc is too small: it has 256 MiB, and the partitions of metal need \d+/],
        ["/dev/zero", /zero is not a disk/],
      ] as const) {
        const refused = await typed(`nixfleet install ${device} --yes-wipe`);
        assert.match(refused.said, reason);
        assert.equal(refused.code, "1", device);
      }
      assert.equal((await typed("umount /mnt")).code, "0");
    });

    test("it asks for the disk's name, and puts the host there", async () => {
      assert.match((await typed("nixfleet install /dev/vdb", "yes")).said, /not confirmed, so nothing was written/);
      const { code, said } = await typed("nixfleet install /dev/vdb", "/dev/vdb");
      assert.match(
        said,
        /This erases everything[\s\S]*\/dev\/vdb2 .*btrfs +root[\s\S]*metal is on \/dev\/vdb\. Remove/,
      );
      assert.equal(code, "0");
      await stick.shutdown(BOOT_TIME);
    });

    const generations = async () =>
      (
        JSON.parse(await guest.ssh("sh /etc/nixfleet/generations.sh --json")) as {
          readonly number: number;
          readonly state: string;
          readonly runs: boolean;
          readonly changes: string;
        }[]
      ).map(({ number, state, runs, changes }) => ({ number, state, runs, changes }));

    test("the disk boots: an ephemeral root, its own first generation, and nothing that persists on the stick", async () => {
      guest = stack.use(await bootMachine(await withStrangers(), (started) => started.waitForSsh(BOOT_TIME)));
      await guest.ssh("systemctl is-system-running --wait || true");
      assert.equal((await guest.ssh("systemctl --failed --no-legend --plain")).trim(), "");
      assert.match(await guest.ssh("nixfleet status"), /This is generation 1\.\n.*The root is fresh/);
      assert.equal(await guest.ssh("ls /nix/nixfleet/generations /nix/nixfleet/objects | wc -l"), "6\n");
      assert.equal(await guest.ssh("findmnt -n -o SOURCE -M /"), "/dev/vda2[/@root]\n");
      assert.equal(await guest.ssh("ls /etc/nixos; cat /proc/cmdline | grep -c installer || true"), "0\n");
      assert.equal(await guest.ssh("ls /run/motd.d 2>/dev/null || true"), "");
      await guest.ssh("timeout 60 sh -c 'until sh /etc/nixfleet/generations.sh | grep -q good; do sleep 1; done'");
      assert.deepEqual(await generations(), [
        { number: 1, state: "good", runs: true, changes: "the first generation" },
      ]);
    });

    test("the kernel got its parameters as they were declared", async () => {
      const [odd, blank = ""] = ODD_PARAMETERS;
      const given = await guest.ssh("cat /proc/cmdline");
      // The kernel takes quotes around the value and around the whole alike.
      const spelled = firmware === "BIOS" ? `"${blank.replaceAll('"', "")}"` : blank;
      assert.ok(given.includes(` ${odd} ${spelled} `), given);
    });

    test("other disks that are labelled as its own are not taken for them", async () => {
      for (const label of firmware === "UEFI" ? ["root", "ESP"] : ["root"])
        assert.match(await guest.ssh(`readlink -f /dev/disk/by-label/${label}`), /^\/dev\/vda\d\n$/, label);
      assert.equal(wipeReport(await guest.ssh("cat /run/nixfleet/wipe.report")).outcome, "wiped");
      assert.match(
        await guest.ssh("for at in / /nix /persist; do findmnt --noheadings --nofsroot --output SOURCE $at; done"),
        /^(\/dev\/vda\d\n)+$/,
      );
      assert.match(
        await guest.ssh("journalctl --boot --dmesg --no-pager"),
        /another filesystem also has the label root/,
      );
    });

    test("its store is read-only to everybody, and generations can be chosen all the same", async () => {
      assert.match(await guest.ssh("touch /nix/x 2>&1 || true"), /Read-only/);
      assert.match(await guest.ssh("sh /etc/nixfleet/rollback.sh 1"), /next boot is generation 1/);
      assert.match(await guest.ssh("sh /etc/nixfleet/rollback.sh newest"), /newest generation that works/);
      assert.equal(await guest.ssh("sh /etc/nixfleet/gc.sh --dry-run"), "");
      assert.match(await guest.ssh("touch /nix/x 2>&1 || true"), /Read-only/);
    });

    test("a generation that does not come up in the tries that it has is passed over for the last good one", async () => {
      await guest.ssh("echo kept > /etc/nixos/note");
      await guest.shutdown(BOOT_TIME);
      await install(BROKEN);
      guest = stack.use(
        await bootMachine(await withStrangers(), (started) => started.waitForSsh((TRIES + 1) * BOOT_TIME)),
      );
      assert.deepEqual(
        (await generations()).map(({ number, state, runs }) => [number, state, runs]),
        [
          [2, "passed over", false],
          [1, "good", true],
        ],
      );
      // Where an emulated processor stopped in one of them, the machine was started again, with a new console.
      const boots = guest.console.filter((line) => /Command line:.*nixfleet\.closure=.*metal/.test(line));
      assert.ok(boots.length <= TRIES + 1, boots.join("\n"));
      const said = guest.console.join("\n");
      assert.match(said, /THE BOOT HAS STOPPED: .*[\s\S]*this generation has not come up yet, .* in 60 seconds/);
    });

    test("it has what persists, and says on the console and to who logs in what has happened", async () => {
      assert.equal(await guest.ssh("cat /etc/nixos/note"), "kept\n");
      await guest.waitFor(/Generation 2 was passed over/, 60_000);
      assert.match(await guest.ssh("cat /run/motd.d/nixfleet"), /This is generation 1\./);
      table.ran(name, firmware);
    });
  });
}

test("the table in docs/disks.md says what ran here", () => table.check());

async function empty(file: string, size: number): Promise<string> {
  await writeFile(file, "");
  await truncate(file, size);
  return file;
}
