/** What `npm run demo:fleet` shows: two hosts that their agents change, by signed releases, with a control plane on this machine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { demonstrateFleet } from "../../src/demo/fleet/demonstrate.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("a fleet takes a release that works, refuses one that does not, and changes through a power cut", async () => {
  await using folder = await temporaryFolder();
  const { rows, why } = await demonstrateFleet(folder.path);
  assert.deepEqual(
    rows.map(({ what, seen }) => [what, seen]),
    rows.map(({ what, expected }) => [what, expected]),
  );
  assert.match(why, /shop/);
});
