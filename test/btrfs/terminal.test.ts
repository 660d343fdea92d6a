/** Every long command on a terminal: Ctrl-C, SIGTERM and a closed terminal end it, and nothing of it is left. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/local/process.ts";
import { loopDevice, type TemporaryFolder, temporaryFolder } from "../../src/local/resources.ts";
import { CTRL_C, onTerminal, type Terminal } from "../terminal.ts";
import { builtHost } from "./built-host.ts";

const NIXFLEET = join(import.meta.dirname, "..", "..", "bin", "nixfleet");

let folder: TemporaryFolder;
let disk: AsyncDisposable & { readonly device: string };

before(async () => {
  folder = await temporaryFolder();
  await builtHost(folder.path);
  await mkdir(join(folder.path, "tools"));
  await writeFile(join(folder.path, "disk"), "");
  await truncate(join(folder.path, "disk"), 4 * 1024 ** 3);
  disk = await loopDevice(join(folder.path, "disk"));
});
after(async () => {
  await disk[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

type End = "Ctrl-C" | "SIGTERM" | "SIGHUP";
const CODES: Readonly<Record<End, number>> = { "Ctrl-C": 130, SIGTERM: 143, SIGHUP: 129 };

/** Where each is when it is ended: in this tool, called with this argument, which then takes for ever. */
const commands: readonly (readonly [args: string, tool: string, ends: readonly End[]])[] = [
  ["image h --size 4G", "mkfs.vfat", ["Ctrl-C"]],
  ["image h --size 4G", "mount", ["Ctrl-C"]],
  ["image h --size 4G", "cp", ["Ctrl-C", "SIGTERM", "SIGHUP"]],
  ["image h --size 4G --format qcow2", "qemu-img convert", ["Ctrl-C"]],
  ["install h --image h.img --size 4G", "cp", ["Ctrl-C"]],
  ["install h --device DISK --yes-wipe DISK", "mkfs.btrfs", ["Ctrl-C"]],
  ["install h --device DISK --yes-wipe DISK", "cp", ["Ctrl-C", "SIGTERM", "SIGHUP"]],
  ["install h --device DISK --yes-wipe DISK", "sync", ["Ctrl-C"]],
  ["disk h --image h.img --size 4G", "mkfs.btrfs", ["Ctrl-C"]],
  ["disk h --device DISK --wipe DISK --mode format,mount --under UNDER", "mkfs.btrfs", ["Ctrl-C"]],
  ["vm h --fresh", "cp", ["Ctrl-C"]],
  ["switch h --target-host root@nowhere", "ssh", ["Ctrl-C"]],
  ["build other", "mmdebstrap", ["Ctrl-C", "SIGTERM"]],
  ["update", "mmdebstrap", ["Ctrl-C"]],
];

for (const [args, tool, ends] of commands) {
  for (const end of ends) {
    test(`${end} ends \`nixfleet ${args}\` in ${tool}, and nothing of it is left`, async () => {
      const was = new Set(await traces());
      // That an object was found to be whole stays known.
      const isNew = (trace: string) => !was.has(trace) && !trace.startsWith("cache/whole/");
      const started = await slowed(tool);
      await using terminal = nixfleet(args);
      const pid = await Promise.race([started(), terminal.ended.then(() => assert.fail(terminal.shown()))]);
      const command = commandOf(pid);
      if (end === "Ctrl-C") typeAgainAndAgain(terminal);
      else if (end === "SIGTERM") process.kill(command, end);
      else await terminal.close();
      if (end !== "SIGHUP") {
        assert.equal(await terminal.ended, CODES[end], terminal.shown());
        assert.match(terminal.shown(), /nixfleet: interrupted by SIG(INT|TERM)/);
      }
      await gone(command);
      await gone(pid);
      assert.deepEqual((await traces()).filter(isNew), [], terminal.shown());
    });
  }
}

/** As an impatient person does: what undoes is not to be ended by it. */
function typeAgainAndAgain(terminal: Terminal): void {
  const typing = setInterval(() => terminal.type(CTRL_C), 20);
  void terminal.ended.then(() => clearInterval(typing));
}

test("Ctrl-C where a device is to be confirmed writes nothing", async () => {
  const was = new Set(await traces());
  const isNew = (trace: string) => !was.has(trace);
  await using terminal = nixfleet("install h --device DISK");
  await terminal.until(/To go on, type/);
  terminal.type(CTRL_C);
  assert.equal(await terminal.ended, 130, terminal.shown());
  assert.match(terminal.shown(), /nixfleet: interrupted by SIGINT/);
  assert.deepEqual((await traces()).filter(isNew), [], terminal.shown());
});

test("SIGTERM ends a virtual machine that runs on the terminal", async () => {
  const started = await slowed(
    "qemu-system-x86_64 stdio,id=console,signal=off,mux=on",
    "echo QEMU emulator version 10.0.0",
  );
  await using terminal = nixfleet("vm h");
  const pid = await Promise.race([started(), terminal.ended.then(() => assert.fail(terminal.shown()))]);
  process.kill(commandOf(pid), "SIGTERM");
  assert.equal(await terminal.ended, 143, terminal.shown());
  await gone(pid);
});

function nixfleet(args: string): Terminal {
  const given = args.replaceAll("DISK", disk.device).replaceAll("UNDER", join(folder.path, "under"));
  return onTerminal([NIXFLEET, ...given.split(" ")], {
    cwd: folder.path,
    env: {
      NIXFLEET_CACHE: join(folder.path, "cache"),
      PATH: `${join(folder.path, "tools")}:${process.env.PATH}`,
      TMPDIR: folder.path,
    },
  });
}

/** Puts a tool into the way that says its process id and then takes for ever; anything else than its argument is done. */
async function slowed(words: string, otherwise?: string): Promise<() => Promise<number>> {
  const [tool = "", argument = ""] = words.split(" ");
  const tools = join(folder.path, "tools");
  const pidFile = join(tools, "pid");
  for (const name of await readdir(tools)) await run("rm", ["--", join(tools, name)]);
  const real = (await run("sh", ["-c", `command -v ${tool} || :`])).trim();
  const script = `#!/bin/sh
case " $* " in *" ${argument}"*) echo $$ >${pidFile}.new; mv ${pidFile}.new ${pidFile}; exec sleep 300 ;; esac
${otherwise ?? `exec ${real} "$@"`}
`;
  await writeFile(join(tools, tool), script, { mode: 0o755 });
  return async () => {
    for (;;) {
      const found = (await readdir(tools)).includes("pid") ? readFileSync(pidFile, "utf8").trim() : "";
      if (found !== "") return Number(found);
      await sleep(20);
    }
  };
}

/** The process of the command itself that has started this one. */
function commandOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const parent = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
  assert.ok(parent > 1);
  return readFileSync(`/proc/${parent}/cmdline`, "utf8").includes("/cli/main.") ? parent : commandOf(parent);
}

async function gone(pid: number): Promise<void> {
  for (const until = Date.now() + 20_000; existsSync(`/proc/${pid}`); await sleep(20)) {
    assert.ok(Date.now() < until, `process ${pid} goes on: ${readFileSync(`/proc/${pid}/cmdline`, "utf8")}`);
  }
}

/** Of a command in this folder, or on this disk: files, mounts, loop devices. The lock of a virtual machine's disk stays. */
async function traces(): Promise<readonly string[]> {
  const files = readdirSync(folder.path, { recursive: true, encoding: "utf8" });
  const mounts = (await run("findmnt", ["--list", "--noheadings", "--output", "SOURCE,TARGET"])).split("\n");
  const loops = (await run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"])).split("\n");
  return [
    ...files.filter((file) => !/^(tools|\.nixfleet|under$|cache\/store\/[^.])/.test(file)).sort(),
    ...[...mounts, ...loops].filter((line) => line.includes(folder.path) || line.includes(disk.device)),
    ...readdirSync("/run/nixfleet").filter((name) => name.includes(disk.device.slice(5)) && !name.endsWith(".lock")),
  ];
}
