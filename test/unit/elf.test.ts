import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadedPart } from "../../src/closure/tree/elf.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("a program without what only debuggers read is smaller, and runs", async () => {
  await using folder = await temporaryFolder();
  const whole = readFileSync("/bin/echo");
  const part = loadedPart(whole);
  assert.ok(part.length < whole.length);
  const file = join(folder.path, "echo");
  writeFileSync(file, part);
  chmodSync(file, 0o755);
  assert.equal(execFileSync(file, ["it", "runs"]).toString(), "it runs\n");
  assert.deepEqual(loadedPart(part), part, "there is nothing more to leave out");
});

test("what is no program is refused", () => {
  assert.throws(() => loadedPart(Buffer.from("#!/bin/sh\n")), /not a 64-bit/);
  assert.throws(() => loadedPart(new Uint8Array(100)), /not a 64-bit/);
});
