/** What takes a host back that was booted and not proved: a shell script, whatever is wrong with the agent. */
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const NEW = `/nix/store/${"1".repeat(32)}-nixfleet-web1`;

async function booted(closure: string, seconds: number | null) {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  for (const name of ["memory", "run", "bin"]) mkdirSync(at(name));
  copyFileSync(join(PACKAGE_ROOT, "src/payload/host/prove.sh"), at("prove.sh"));
  writeFileSync(at("rollback.sh"), `echo rollback >>'${at("done")}'\n`);
  writeFileSync(at("bin/systemctl"), `#!/bin/sh\necho "systemctl $*" >>'${at("done")}'\n`, { mode: 0o755 });
  writeFileSync(at("cmdline"), `quiet nixfleet.closure=${closure} rw\n`);
  if (seconds !== null) writeFileSync(at("memory/proving"), `${NEW}\n${seconds}\n`);
  const env = {
    MEMORY: at("memory"),
    RUNTIME: at("run"),
    KERNEL_COMMAND_LINE: at("cmdline"),
    PATH: `${at("bin")}:${process.env.PATH}`,
  };
  return {
    prove: () => run("env", [...Object.entries(env).map(([name, value]) => `${name}=${value}`), "sh", at("prove.sh")]),
    proved: () => writeFileSync(at("run/proved"), ""),
    proving: () => existsSync(at("memory/proving")),
    done: () => (existsSync(at("done")) ? readFileSync(at("done"), "utf8") : ""),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("a boot that nobody has to prove, and one of another generation, are left alone", async () => {
  await using plain = await booted(NEW, null);
  await plain.prove();
  await using other = await booted(`/nix/store/${"2".repeat(32)}-nixfleet-web1`, 1);
  await other.prove();
  assert.deepEqual([plain.done(), other.done(), other.proving()], ["", "", true]);
});

test("a generation that is proved stays", async () => {
  await using host = await booted(NEW, 20);
  const proving = host.prove();
  await sleep(300);
  assert.ok(host.proving());
  host.proved();
  await proving;
  assert.deepEqual([host.done(), host.proving()], ["", false]);
});

test("one that is not proved in time is rolled back, and the host reboots; the agent before it still reads what it was", async () => {
  await using host = await booted(NEW, 1);
  await assert.rejects(host.prove(), (error) => error instanceof CommandError && error.exitCode === 1);
  assert.deepEqual([host.done(), host.proving()], ["rollback\nsystemctl --no-block reboot\n", true]);
});
