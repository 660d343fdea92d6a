/** The object with Node and the programs of the fleet. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openCache } from "../../src/closure/store/cache.ts";
import { lookUpRuntime, runtimeObject } from "../../src/closure/tree/runtime-object.ts";
import { PACKAGE } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";

test("the runtime is the same wherever it is made, is small, and runs by itself", async () => {
  await using folder = await temporaryFolder("/var/tmp");
  const one = await openCache(join(folder.path, "one"));
  const two = await openCache(join(folder.path, "two"));
  assert.equal(await lookUpRuntime(ARCHITECTURE, one), null);
  const name = await runtimeObject(ARCHITECTURE, one, () => {});
  assert.equal(await lookUpRuntime(ARCHITECTURE, one), name);
  const mask = process.umask(0o077);
  try {
    assert.equal(await runtimeObject(ARCHITECTURE, two, () => {}), name);
  } finally {
    process.umask(mask);
  }
  const node = join(one.store, name, "bin/node");
  assert.ok(statSync(node).size < 115_000_000, `${statSync(node).size}`);
  // With nothing else of this project, and no npm packages, anywhere near.
  for (const program of ["agent", "control-plane"]) {
    const file = join(one.store, name, `lib/nixfleet/${program}.js`);
    assert.equal(await run(node, [file, "--version"], { cwd: "/" }), `${PACKAGE.version}\n`);
  }
});
