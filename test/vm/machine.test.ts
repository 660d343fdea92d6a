import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { workingAccelerator } from "../../src/vm/accelerator.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { type KernelMachine, startMachine } from "../../src/vm/machine.ts";
import { freePort } from "../../src/vm/ssh.ts";
import { tinyKernel } from "./tiny-kernel.ts";

test("a machine's console is read, and at the end of the scope it is off and its key gone", async () => {
  await using folder = await temporaryFolder();
  let pid = 0;
  let keyFile = "";
  {
    await using machine = await startMachine(await tiny(folder.path, "hello 1\r\nprompt: ", "wait"));
    ({ pid, keyFile } = machine);
    equal((await machine.waitFor(/hello (\d)/, 20_000))[1], "1");
    await machine.waitFor(/prompt: $/, 20_000);
    deepEqual(machine.console, ["hello 1"]);
    ok(existsSync(keyFile) && runs(pid));
  }
  ok(!runs(pid));
  ok(!existsSync(dirname(keyFile)));
});

test("a machine that is powered off is off, and powering it off again is no error", async () => {
  await using folder = await temporaryFolder();
  await using machine = await startMachine(await tiny(folder.path, "up\n", "wait"));
  await machine.waitFor(/up/, 20_000);
  await machine.powerOff();
  await machine.powerOff();
  await machine.ended;
  ok(!runs(machine.pid));
});

test("what does not come is an error with what was seen instead", async () => {
  await using folder = await temporaryFolder();
  await using machine = await startMachine(await tiny(folder.path, "something else\n", "wait"));
  await machine.waitFor(/else/, 20_000);
  await refused(machine.waitFor(/login:/, 50), /did not show \/login:\/ in 0.05 s\n.*something else/);
  await refused(machine.waitForSsh(50), /did not answer to ssh in 0.05 s/);
  await refused(machine.shutdown(300), /was not off 0.3 s after its power button/);
});

test("who waits for a machine that resets itself learns that it ended", async () => {
  await using folder = await temporaryFolder();
  await using machine = await startMachine(await tiny(folder.path, "panic\n", "reset"));
  await refused(machine.waitFor(/login:/, 20_000), /until the machine ended\n.*panic/);
  await refused(machine.waitForSsh(20_000), /did not answer/);
});

test("a machine that cannot start says why, and leaves no folder", async (t) => {
  await using folder = await temporaryFolder();
  const options = await tiny(folder.path, "up\n", "wait");
  const temporary = join(folder.path, "temporary");
  await mkdir(temporary);
  const { TMPDIR = tmpdir() } = process.env;
  process.env.TMPDIR = temporary;
  t.after(() => {
    process.env.TMPDIR = TMPDIR;
  });
  await refused(startMachine({ ...options, disks: ["/nowhere/disk.img"] }), /did not start\n[\s\S]*nowhere/);
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  await refused(startMachine({ ...options, sshPort: port }), /did not start\n[\s\S]*hostfwd/);
  server.close();
  deepEqual(await readdir(temporary), []);
});

test("two machines do not share one disk", async () => {
  await using folder = await temporaryFolder();
  const options = await tiny(folder.path, "up\n", "wait");
  await using _first = await startMachine(options);
  await refused(startMachine(options), /did not start\n[\s\S]*lock/);
});

test("a machine does not outlive the process that started it, however that ends", async () => {
  await using folder = await temporaryFolder();
  const options = await tiny(folder.path, "up\n", "wait");
  const program = `
    import { startMachine } from ${JSON.stringify(join(import.meta.dirname, "../../src/vm/machine.ts"))};
    const machine = await startMachine(${JSON.stringify(options)});
    console.log(machine.pid);`;
  const parent = spawn(process.execPath, ["--input-type=module-typescript", "--eval", program], {
    env: { ...process.env, TMPDIR: folder.path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await once(parent.stdout.setEncoding("utf8"), "data");
  const pid = Number(output);
  ok(runs(pid));
  parent.kill("SIGKILL");
  await once(parent, "close");
  for (let tries = 0; tries < 100 && runs(pid); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  ok(!runs(pid));
});

test("a KVM is believed only when Linux itself ran on it, and asked once per boot", async () => {
  await using folder = await temporaryFolder();
  const { kernel } = await tiny(folder.path, "Linux version of nobody\r\n", "wait");
  equal(await workingAccelerator("x86_64-linux", kernel, join(folder.path, "cache")), "tcg");
  if (!existsSync(join(folder.path, "cache"))) return; // no /dev/kvm to ask
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const answer = join(folder.path, "cache/accelerator");
  equal(await readFile(answer, "utf8"), `${boot} tcg\n`);
  await writeFile(answer, `${boot} kvm\n`);
  equal(await workingAccelerator("x86_64-linux", kernel, join(folder.path, "cache")), "kvm");
  await writeFile(answer, "another-boot kvm\n");
  equal(await workingAccelerator("x86_64-linux", kernel, join(folder.path, "cache")), "tcg");
});

test("an emulated machine that dies in its kernel is started again, one that came further is not", async () => {
  for (const [text, then, starts] of [
    ["Linux version 1\r\n", "reset", 3],
    ["Linux version 1\r\nbooting\r\n", "wait", 3],
    ["Linux version 1\r\nsystemd[1]: Detected\r\n", "reset", 1],
    ["Linux version 1\r\nsystemd[1]: Rebooting\r\nLinux version 2\r\n", "wait", 3],
    ["GRUB\r\n", "reset", 1],
  ] as const) {
    await using folder = await temporaryFolder();
    const lines: string[] = [];
    const options = { ...(await tiny(folder.path, text, then)), onLine: (line: string) => lines.push(line) };
    await refused(
      bootMachine(options, (machine) => machine.waitFor(/login:/, 20_000), 500),
      /did not show \/login:\/ until the machine ended/,
    );
    equal(lines.filter((line) => /Linux version 1|GRUB/.test(line)).length, starts, text);
  }
  await using folder = await temporaryFolder();
  let attempts = 0;
  await using machine = await bootMachine(
    await tiny(folder.path, "Linux version 1\r\nmore\r\n", "wait"),
    async (started) => {
      await started.waitFor(/more/, 20_000);
      if (attempts++ === 0) throw new UserError("it stopped");
    },
  );
  equal(attempts, 2);
  ok(runs(machine.pid));
});

async function tiny(folder: string, text: string, then: "wait" | "reset"): Promise<KernelMachine> {
  const kernel = join(folder, "kernel");
  const disk = join(folder, "disk");
  await writeFile(kernel, tinyKernel(text, then));
  await writeFile(disk, "");
  await truncate(disk, 1024 ** 2);
  const disks = [disk];
  return { platform: "x86_64-linux", accelerator: "tcg", disks, kernel, initrds: [], kernelParameters: [], memory: 64 };
}

function runs(pid: number): boolean {
  return existsSync(`/proc/${pid}/exe`) && pid > 0;
}

async function refused(action: Promise<unknown>, says: RegExp): Promise<void> {
  await rejects(action, (error: unknown) => {
    ok(error instanceof UserError, String(error));
    match(error.text, says);
    return true;
  });
}
