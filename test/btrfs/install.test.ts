import assert from "node:assert/strict";
import { mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { installOnDevices } from "../../src/deploy/install.ts";
import { diskSurroundings } from "../../src/disk/run.ts";
import { generationParameters } from "../../src/host/generations.ts";
import { installParameters } from "../../src/host/install.ts";
import { CommandError, run } from "../../src/machine/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../../src/machine/resources.ts";
import { planWith } from "../unit/host.ts";
import { smallClosure } from "./small-closure.ts";

/** Once the shell ends, the kernel kills all that is left in its namespace, and waits for that. */
const KILLED_WHOLE = ["--pid", "--fork", "--", "sh", "-c", '"$@"; exit "$?"', "sh"];
const SIGKILLED = 137;

test("an installation that is killed in any of its steps is begun again, and then is whole", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 1024 ** 3);
  await using loop = await loopDevice(image);
  let kills = 0;
  for (;;) {
    const closures = join(folder.path, `closure-${kills}`);
    await mkdir(closures);
    const program = join(import.meta.dirname, "install-killed.ts");
    const args = [process.execPath, program, loop.device, closures, String(kills + 1)];
    const killed = await run("unshare", [...KILLED_WHOLE, ...args]).then(
      () => false,
      (error: unknown) => {
        if (error instanceof CommandError && error.exitCode === SIGKILLED) return true;
        throw error;
      },
    );
    if (!killed) break;
    kills += 1;
  }
  assert.ok(kills > 12, `only ${kills} steps`);
  await assertInstalled(loop.device);
});

test("what a disk held before is gone, and nothing stays mounted", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 1024 ** 3);
  await using loop = await loopDevice(image);
  await run("mkfs.ext4", ["-q", loop.device]);
  const plan = planWith();
  const [layout] = plan.disk.disks;
  assert.ok(layout !== undefined);
  const closure = await smallClosure(folder.path);
  const steps: string[] = [];
  const targets = [{ layout, device: loop.device }];
  await installOnDevices({ plan, closure, targets, onProgress: (step) => steps.push(step) });
  assert.deepEqual(steps.slice(-3), ["copying the closure", "writing the boot entry", "writing everything out"]);
  assert.ok(!(await run("findmnt", ["--list", "--output", "SOURCE"])).includes(loop.device));
  await assertInstalled(loop.device);
});

test("a host that runs from one disk puts itself onto another, after its name was typed", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 1024 ** 3);
  await using loop = await loopDevice(image);
  const plan = planWith();
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
  const conf = await file("conf", generationParameters(plan, { nix, esp, grub: null, kernelCommandLine }));
  // As far as this kernel can mount it.
  const { unsupported, udev } = await diskSurroundings(loop.device);
  const env = {
    INSTALL_CONF: await file("install.conf", installParameters(plan, { under, udev, unsupported }) ?? ""),
    RUNTIME: folder.path,
  };
  const script = [join(import.meta.dirname, "../../src/host/install.sh"), "--conf", conf, loop.device];
  const refused = (reason: RegExp) => (error: unknown) => {
    assert.match(error instanceof CommandError ? error.text : String(error), reason);
    return true;
  };
  await assert.rejects(run("sh", script, { env, input: "yes\n" }), refused(/nothing was written/));
  assert.match(await run("sh", script, { env, input: `${loop.device}\n` }), /test is on \/dev\/loop/);
  await assertInstalled(loop.device);
  {
    await using _ = await mounted(`${loop.device}p2`, await mountPoint(folder.path));
    await assert.rejects(run("sh", [...script, "--yes-wipe"], { env }), refused(/is in use: it is mounted on/));
  }
  await run("sh", [...script, "--yes-wipe"], { env });
  await assertInstalled(loop.device);
});

async function mountPoint(folder: string): Promise<string> {
  await mkdir(join(folder, "mounted"));
  return join(folder, "mounted");
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
}
