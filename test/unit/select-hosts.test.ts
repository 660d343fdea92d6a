import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import { selectHosts } from "../../src/fleet/select-hosts.ts";
import { mkFleet, mkHost } from "../../src/index.ts";

const fleet = mkFleet(
  ["web-1", "web-2", "web-10", "db"].map((hostName) => mkHost({ hostName, platform: "x86_64-linux", modules: [] })),
);

const chosen: readonly (readonly [patterns: readonly string[], names: readonly string[], isOne: boolean])[] = [
  [["db"], ["db"], true],
  [["db", "web-2"], ["web-2", "db"], false],
  [["web-?"], ["web-1", "web-2"], false],
  [["web*", "web-1"], ["web-1", "web-2", "web-10"], false],
  [["d?"], ["db"], false],
  [["*"], ["web-1", "web-2", "web-10", "db"], false],
];

for (const [patterns, names, isOne] of chosen) {
  test(`${patterns.join(" ")} means ${names.join(", ")}, in the fleet's order, each once`, () => {
    const selection = selectHosts(fleet, patterns, false);
    assert.deepEqual([selection.hosts.map(({ hostName }) => hostName), selection.isOne], [names, isOne]);
  });
}

test("--all is every host, and a pattern that means none is refused", () => {
  assert.equal(selectHosts(fleet, [], true).hosts.length, 4);
  for (const [patterns, says] of [
    [["x*"], /no host is called like x\*/],
    [["web.1"], /no host web\.1/],
    [["web.?"], /called like web/],
  ] as const)
    assert.throws(
      () => selectHosts(fleet, patterns, false),
      (error) => error instanceof UserError && says.test(error.text),
    );
});
