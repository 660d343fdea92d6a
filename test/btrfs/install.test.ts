import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { installTargets } from "../../src/cli/install.ts";
import { imagesOf, makeCompressedImages, provideImages, refuseImages } from "../../src/deploy/image.ts";
import { claimDevices, inspectAgain, installOnDevices } from "../../src/deploy/install.ts";
import { diskSurroundings } from "../../src/disk/run.ts";
import { UserError } from "../../src/errors.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { loopDevice, mounted, mountFolder, temporaryFolder } from "../../src/local/resources.ts";
import { generationParameters } from "../../src/payload/host/generations.ts";
import { installParameters } from "../../src/payload/host/install.ts";
import { requiredBytes } from "../../src/plan/layout-problems.ts";
import { planWith } from "../unit/host.ts";
import { released } from "./released.ts";
import { smallClosure } from "./small-closure.ts";

/** Once the shell ends, the kernel kills all that is left in its namespace, and waits for that. */
const KILLED_WHOLE = ["--pid", "--fork", "--", "sh", "-c", '"$@"; exit "$?"', "sh"];
const SIGKILLED = 137;
/** By a process that began while the disk was mounted, with mounts of its own, such as the build of another test. */
const HELD = /perhaps mounted in a container/;

test("an installation that is killed in any of its steps is begun again, and then is whole", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 2 * 1024 ** 3);
  await using loop = await loopDevice(image);
  let kills = 0;
  let runs = 0;
  for (;;) {
    const closures = join(folder.path, `closure-${runs++}`);
    await mkdir(closures);
    const program = join(import.meta.dirname, "install-killed.ts");
    const args = [process.execPath, program, loop.device, closures, String(kills + 1)];
    const end = await run("unshare", [...KILLED_WHOLE, ...args]).then(
      () => "whole",
      (error: unknown) => {
        if (error instanceof CommandError && error.exitCode === SIGKILLED) return "killed";
        if (error instanceof CommandError && HELD.test(error.text)) return "held";
        throw error;
      },
    );
    if (end === "whole") break;
    if (end === "killed") kills += 1;
    else await sleep(500);
    assert.ok(runs < 300);
  }
  assert.ok(kills > 12, `only ${kills} steps`);
  await assertInstalled(loop.device);
});

test("what a disk held before is gone, and nothing stays mounted", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 2 * 1024 ** 3);
  await using loop = await loopDevice(image);
  await run("mkfs.ext4", ["-q", loop.device]);
  const plan = planWith();
  const [layout] = plan.disk.disks;
  assert.ok(layout !== undefined);
  const closure = await smallClosure(folder.path);
  const steps: string[] = [];
  const targets = [{ layout, device: loop.device }];
  await using claim = await claimDevices(targets);
  await installOnDevices({ plan, closure, claim, onProgress: (step) => steps.push(step) });
  assert.deepEqual(steps.slice(-3), ["copying the closure", "writing the boot entry", "syncing to disk"]);
  assert.ok(!(await run("findmnt", ["--list", "--output", "SOURCE"])).includes(loop.device));
  await assertInstalled(loop.device);
});

test("a host that runs from one disk puts itself onto another, after its name was typed", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 2 * 1024 ** 3);
  await using loop = await loopDevice(image);
  const plan = planWith();
  const [layout] = plan.disk.disks;
  assert.ok(layout !== undefined);
  const nix = join(folder.path, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  const closure = await smallClosure(join(nix, "store"));
  const under = join(folder.path, "install");
  const file = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const kernelCommandLine = await file("cmdline", `quiet nixfleet.closure=${closure.storePath}\n`);
  const esp = { kind: "folder", path: "/boot" } as const;
  const conf = await file("conf", generationParameters(plan, { nix, esps: [esp], grub: null, kernelCommandLine }));
  // As far as this kernel can mount it.
  const { unsupported, udev } = await diskSurroundings([{ layout, device: loop.device }]);
  const env = {
    INSTALL_CONF: await file("install.conf", installParameters(plan, { under, udev, unsupported }) ?? ""),
    RUNTIME: folder.path,
  };
  const script = [join(import.meta.dirname, "../../src/payload/host/install.sh"), "--conf", conf, loop.device];
  const refused = (reason: RegExp) => (error: unknown) => {
    assert.match(error instanceof CommandError ? error.text : String(error), reason);
    return true;
  };
  await assert.rejects(run("sh", script, { env, input: "yes\n" }), refused(/nothing was written/));
  const keys = await file("keys.conf", `${await readFile(env.INSTALL_CONF, "utf8")}KEYS='/nothing here'\n`);
  const keyless = { ...env, INSTALL_CONF: keys };
  await assert.rejects(run("sh", [...script, "--yes-wipe"], { env: keyless }), refused(/there is no \/nothing here/));
  assert.match(await run("sh", script, { env, input: `${loop.device}\n` }), /test is on \/dev\/loop/);
  await assertInstalled(loop.device);
  {
    await using _ = await mounted(`${loop.device}p2`, await mountPoint(folder.path, "another"));
    await using _also = await mounted(`${loop.device}p2`, await mountPoint(folder.path, "a place"));
    const inUse = refused(/is in use: it is mounted on \/[^\\]*\/(a place|another)$/);
    await assert.rejects(run("sh", [...script, "--yes-wipe"], { env }), inUse);
  }
  await run("sh", [...script, "--yes-wipe"], { env });
  await assertInstalled(loop.device);
  await writeFile(join(closure.packages.folder, "vmlinuz"), "vmlinuX\n");
  const damaged = refused(/\.\/vmlinuz is changed\n[\s\S]*is damaged, so it is not installed/);
  await assert.rejects(run("sh", [...script, "--yes-wipe"], { env }), damaged);
});

test("a host on two disks puts itself onto two others, each by its name", async () => {
  await using folder = await temporaryFolder();
  await using loops = new AsyncDisposableStack();
  const devices: string[] = [];
  for (const name of ["one", "two"]) {
    const image = join(folder.path, name);
    await writeFile(image, "");
    await truncate(image, 2 * 1024 ** 3);
    devices.push(loops.use(await loopDevice(image)).device);
  }
  const [one = "", two = ""] = devices;
  const plan = mkHost({
    ...{ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" } },
    modules: [
      diskoTemplates.btrfsRaid1Impermanence({ disks: ["/dev/vda", "/dev/vdb"], espSize: "128M" }),
      { nixfleet: { impermanence: { enable: true } } },
    ],
  }).plan();
  const nix = join(folder.path, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  const closure = await smallClosure(join(nix, "store"));
  const file = async (name: string, text: string) => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const kernelCommandLine = await file("cmdline", `quiet nixfleet.closure=${closure.storePath}\n`);
  const esps = plan.loader.esps.map((path) => ({ kind: "folder", path }) as const);
  const conf = await file("conf", generationParameters(plan, { nix, esps, grub: null, kernelCommandLine }));
  const placed = plan.disk.disks.map((layout, index) => ({ layout, device: devices[index] ?? "" }));
  const { unsupported, udev } = await diskSurroundings(placed);
  const under = join(folder.path, "install");
  const env = {
    INSTALL_CONF: await file("install.conf", installParameters(plan, { under, udev, unsupported }) ?? ""),
    RUNTIME: folder.path,
  };
  const install = (...args: readonly string[]) =>
    run("sh", [join(import.meta.dirname, "../../src/payload/host/install.sh"), "--conf", conf, ...args], { env });
  const refused = (reason: RegExp) => (error: unknown) => error instanceof CommandError && reason.test(error.text);
  for (const args of [[one], [one, two], [`main=${one}`], [`main=${one}`, `second=${two}`, `third=${two}`]]) {
    await assert.rejects(install(...args, "--yes-wipe"), refused(/usage: nixfleet install main=DEVICE second=DEVICE/));
  }
  await assert.rejects(install(`main=${one}`, `second=${one}`, "--yes-wipe"), refused(/given for two disks/));
  assert.match(await install(`second=${two}`, `main=${one}`, "--yes-wipe"), /test is on \S+ \S+\. Remove the disks/);
  assert.match(await run("btrfs", ["filesystem", "show", `${one}p2`]), new RegExp(`devid +2 .* path ${two}p2$`, "m"));
  const entries = await Promise.all(
    devices.map((device) => run("mtype", ["-i", `${device}p1`, "::/loader/entries/nixfleet-1+3.conf"])),
  );
  assert.equal(entries[0], entries[1]);
  const uuid = (await run("blkid", ["--probe", "-s", "UUID", "-o", "value", `${one}p2`])).trim();
  assert.match(entries[0] ?? "", new RegExp(`nixfleet\\.disks=(\\S+,)?root/${uuid}`));
});

test("a disk that is too small is refused before anything is written, by the builder and by the host", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "precious");
  await truncate(image, 64 * 1024 ** 2);
  await using loop = await loopDevice(image);
  const plan = planWith();
  const [layout] = plan.disk.disks;
  assert.ok(layout !== undefined);
  await assert.rejects(claimDevices([{ layout, device: loop.device }]), /is too small/);
  assert.throws(() => refuseImages(imagesOf(plan, "x.raw", ["64M"])), /64M is too small for x\.raw/);
  assert.match(await readFile(image, "utf8"), /^precious/);
  const needs = /^TARGETS='(\d+) main'$/m.exec(installParameters(plan) ?? "")?.[1];
  assert.equal(Number(needs), Math.ceil(requiredBytes(layout) / 1024 ** 2));
});

test("a disk that takes the place of another meanwhile is not written to", async () => {
  await using folder = await temporaryFolder();
  const [layout] = planWith().disk.disks;
  assert.ok(layout !== undefined);
  const images = ["asked", "other"].map((name) => join(folder.path, name));
  for (const image of images) {
    await writeFile(image, "");
    await truncate(image, 2 * 1024 ** 3);
  }
  const [asked = "", other = ""] = images;
  await using loop = await loopDevice(asked);
  await using claim = await claimDevices([{ layout, device: loop.device }]);
  assert.equal((await inspectAgain(claim)).length, 1);
  await run("losetup", ["--detach", loop.device]);
  await run("losetup", ["--partscan", loop.device, other]);
  await assert.rejects(inspectAgain(claim), /is now a different disk than at the start, so nothing was written/);
});

test("a host with two disks gets both, each as it is declared", async () => {
  await using folder = await temporaryFolder();
  await using loops = new AsyncDisposableStack();
  const devices: Record<string, string> = {};
  for (const name of ["main", "data"]) {
    const image = join(folder.path, name);
    await writeFile(image, "");
    await truncate(image, 2 * 1024 ** 3);
    devices[name] = loops.use(await loopDevice(image)).device;
  }
  const plan = planWith({
    disko: {
      devices: {
        disk: {
          data: {
            device: "/dev/vdb",
            content: {
              partitions: {
                data: {
                  size: "100%",
                  content: { type: "btrfs", subvolumes: { "@data": { mountpoint: "/srv/data" } } },
                },
              },
            },
          },
        },
      },
    },
  });
  const closure = await smallClosure(folder.path);
  const given = plan.disk.disks.map(({ name }) => `${name}=${devices[name]}`);
  const targets = installTargets(plan, given.toReversed());
  const again = async () => {
    await using claim = await claimDevices(targets);
    await assert.rejects(claimDevices(targets), /another installation onto \S+ and \S+ is running/);
    await installOnDevices({ plan, closure, claim, onProgress: () => {} });
  };
  await again();
  await assertInstalled(devices.main ?? "");
  assert.match(await run("blkid", ["--probe", `${devices.data}p1`]), /TYPE="btrfs"/);
  assert.ok(!(await run("findmnt", ["--list", "--output", "SOURCE"])).includes(devices.data ?? ""));
  const alike = targets.map((target) => ({ ...target, device: devices.main ?? "" }));
  await assert.rejects(claimDevices(alike), /is given for two disks/);
  // A second time: what the first has left does not hinder it.
  await again();
  await assertInstalled(devices.main ?? "");
});

test("an image that is attached is neither mounted a second time nor replaced", async () => {
  await using folder = await temporaryFolder();
  const plan = planWith();
  const closure = await smallClosure(folder.path);
  const file = join(folder.path, "test.img");
  const request = { plan, closure, images: imagesOf(plan, file, ["2G"]) };
  await provideImages(request);
  {
    await using _ = await loopDevice(file);
    await assert.rejects(provideImages(request), /test\.img is in use/);
  }
  await provideImages(request);
});

test("a changed byte in the cache is not installed, nor one in an image that has the closure already", async () => {
  await using folder = await temporaryFolder();
  const plan = planWith();
  const closure = await smallClosure(folder.path);
  const file = join(folder.path, "test.img");
  const request = { plan, closure, images: imagesOf(plan, file, ["2G"]) };
  const kernel = join(closure.packages.folder, "vmlinuz");
  await writeFile(kernel, "vmlinuX\n");
  await assert.rejects(provideImages(request), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.text, /debian-trixie in \S+ is damaged, so it is not installed; .*\n {2}\.\/vmlinuz is changed/);
    return true;
  });
  assert.ok(!existsSync(file));
  await rm(closure.packages.folder, { recursive: true });
  const again = await smallClosure(folder.path);
  await provideImages(request);
  const inImage = async (use: (path: string) => Promise<void>) => {
    await using loop = await loopDevice(file);
    await run("partx", ["--update", "--", loop.device]); // some kernels do not read a GPT
    await using at = await mountFolder();
    await using _ = await mounted(`${loop.device}p2`, at.path, ["subvol=@nix"]);
    await use(join(at.path, "store", basename(again.packages.storePath), "initrd"));
  };
  await inImage((initrd) => writeFile(initrd, "another"));
  await provideImages(request);
  await inImage(async (initrd) => assert.equal(await readFile(initrd, "utf8"), "initrd\n"));
});

test("an image in qcow2 takes its name when it is whole, and nothing else is left beside it", async () => {
  await using folder = await temporaryFolder();
  const plan = planWith();
  const closure = await smallClosure(folder.path);
  const images = join(folder.path, "images");
  const file = join(images, "test.qcow2");
  const request = { plan, closure, images: imagesOf(plan, file, ["2G"]), installer: true };
  const interrupted = makeCompressedImages({
    ...request,
    onProgress: (step) => {
      assert.deepEqual(readdirSync(images).includes("test.qcow2"), false);
      if (step.startsWith("converting")) throw new Error("stopped");
    },
  });
  await assert.rejects(interrupted, /stopped/);
  assert.deepEqual(await readdir(images), []);
  // As a killed run leaves them.
  for (const left of ["test.qcow2.partial", "test.qcow2.partial.raw"]) await writeFile(join(images, left), "left");
  await makeCompressedImages(request);
  assert.deepEqual(await readdir(images), ["test.qcow2"]);
  assert.match(await run("qemu-img", ["check", file]), /No errors were found/);
  const raw = join(images, "raw");
  await run("qemu-img", ["convert", "-O", "raw", file, raw]);
  await using loop = await loopDevice(raw);
  await run("partx", ["--update", "--", loop.device]); // some kernels do not read a GPT
  await assertInstalled(loop.device);
  const entry = await run("mtype", ["-i", `${loop.device}p1`, "::/loader/entries/nixfleet-1+3.conf"]);
  assert.match(entry, /nixfleet\.installer=[0-9a-f-]{36} systemd\.set_credential=agetty\.autologin:root/);
});

async function mountPoint(folder: string, name: string): Promise<string> {
  await mkdir(join(folder, name));
  return join(folder, name);
}

async function assertInstalled(device: string): Promise<void> {
  await using folder = await temporaryFolder();
  {
    await using _ = await mounted(`${device}p2`, folder.path, ["ro", "subvol=@nix"]);
    assert.deepEqual(await readdir(join(folder.path, "nixfleet/generations")), ["1"]);
    assert.equal((await readdir(join(folder.path, "store"))).length, 2);
  }
  assert.match(
    await run("mtype", ["-i", `${device}p1`, "::/loader/entries/nixfleet-1+3.conf"]),
    /^title test, generation 1/,
  );
  assert.equal(await run("mtype", ["-i", `${device}p1`, "::/EFI/BOOT/BOOTx64.efi"]), "loader");
  await released(device);
}
