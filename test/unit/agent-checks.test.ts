import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  ask,
  type Counts,
  dueChecks,
  startingUnits,
  stillStarting,
  verdict,
  withResults,
} from "../../src/agent/checks.ts";
import type { Check } from "../../src/agent/settings.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const common = { interval: 30, timeout: 5, failures: 3 };
const shop: Check = { kind: "exec", name: "shop", ...common, command: ["true"] };

test("a check fails when it has failed for its own number of times, one after the other, and not before", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (answers, failures) => {
      const check = { ...shop, failures };
      let counts: Counts = { of: "", checks: {} };
      let row = 0;
      for (const [at, passes] of answers.entries()) {
        counts = withResults([check], counts, new Map([["shop", { passes, says: "" }]]), at * 100);
        row = passes ? 0 : row + 1;
        const wanted = row >= failures ? "failing" : row > 0 ? "unsure" : "passing";
        assert.equal(verdict([check], counts).kind, wanted);
      }
      if (answers.length === 0) assert.equal(verdict([check], counts).kind, "unsure");
    }),
  );
});

test("a check is asked when its interval is over, sooner while it fails, and at once after a boot", () => {
  const counts = (passes: boolean): Counts => ({
    of: "",
    checks: { shop: { passes, says: "", failed: passes ? 0 : 1, at: 100 } },
  });
  const isDue = (passes: boolean, now: number) => dueChecks([shop], counts(passes), now).length === 1;
  assert.ok(!isDue(true, 129));
  assert.ok(isDue(true, 130));
  assert.ok(!isDue(false, 104));
  assert.ok(isDue(false, 105));
  assert.ok(isDue(true, 10), "the machine was booted since");
  assert.equal(dueChecks([shop], { of: "", checks: {} }, 0).length, 1);
});

test("each kind of check asks, and says what is wrong", async () => {
  const exec = (...command: string[]): Check => ({ kind: "exec", name: "x", ...common, timeout: 1, command });
  assert.equal((await ask(exec("true"))).passes, true);
  const failed = await ask(exec("sh", "-c", "echo the disk is full >&2; exit 3"));
  assert.deepEqual(failed, { passes: false, says: "the disk is full" });
  assert.match((await ask(exec("sleep", "30"))).says, /no answer in 1 s/);
  assert.equal((await ask(exec("/no/such/program"))).passes, false);
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const tcp: Check = { kind: "tcp", name: "x", ...common, host: "127.0.0.1", port };
  assert.equal((await ask(tcp)).passes, true);
  assert.equal(
    (await ask({ kind: "http", name: "x", ...common, url: `http://127.0.0.1:${port}/`, status: 200 })).passes,
    false,
  );
  server.close();
  await once(server, "close");
  assert.match((await ask(tcp)).says, /ECONNREFUSED/);
});

const JOBS = `
 101 shop.service              start running
 102 nixfleet-prove.service    start running
 103 boot-complete.target      start waiting
 104 nixfleet-agent.service    start running
`;

test("a boot is over when it waits for nothing but its proof, which waits for the checks", () => {
  assert.deepEqual(startingUnits(JOBS), ["shop.service"]);
  assert.deepEqual(startingUnits(JOBS.replace(/.*shop.*\n/, "")), []);
  assert.deepEqual(startingUnits(""), []);
});

test("what a boot still starts is waited for, until half of the time to prove it is over", async () => {
  await using folder = await temporaryFolder();
  const path = process.env.PATH;
  const systemctl = (state: string, code: number) =>
    writeFileSync(
      join(folder.path, "systemctl"),
      `#!/bin/sh\n[ "$1" = list-jobs ] || { echo ${state}; exit ${code}; }\ncat <<END${JOBS}END\n`,
      { mode: 0o755 },
    );
  process.env.PATH = `${folder.path}:${path}`;
  try {
    systemctl("starting", 1);
    assert.deepEqual(await stillStarting(180, 360), ["shop.service"]);
    assert.deepEqual(await stillStarting(181, 360), []);
    for (const [state, code] of [["running", 0] as const, ["degraded", 1] as const, ["offline", 1] as const]) {
      systemctl(state, code);
      assert.deepEqual(await stillStarting(10, 360), []);
    }
  } finally {
    process.env.PATH = path;
  }
});
