/** What a fleet's evaluation costs in memory, which decides how long thousands of hosts take. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { diskoTemplates, mkHost } from "../../src/index.ts";

setFlagsFromString("--expose-gc");
setFlagsFromString("--no-allocation-site-pretenuring");
const collect: (options?: { readonly type: "minor" }) => void = runInNewContext("gc");

test("a host that was evaluated and planned is garbage that V8 collects cheaply", () => {
  const use = (index: number) => {
    const host = mkHost({
      hostName: `host-${index}`,
      platform: "x86_64-linux",
      modules: [
        diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
        { nixfleet: { impermanence: { enable: true } }, services: { openssh: { enable: true } } },
      ],
    });
    host.check();
    host.forget();
  };
  for (let index = 0; index < 20; index++) use(index);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 20; index++) use(index);
  collect({ type: "minor" });
  const each = (process.memoryUsage().heapUsed - before) / 20 / 1024;
  assert.ok(each < 60, `${each.toFixed(0)} KiB of each host are left`);
});
