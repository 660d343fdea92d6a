import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { across, tellOutcomes } from "../../src/cli/across.ts";
import { UserError } from "../../src/errors.ts";

const hosts = ["a", "b", "c", "d"].map((hostName) => ({ hostName }));

test("what fails with one host keeps none of the others, and is said at the end", async () => {
  const outcomes = await across(
    hosts,
    2,
    () => {},
    async ({ hostName }) => {
      if (hostName === "b") throw new UserError("no way in", ["the key is wrong"]);
      return hostName.toUpperCase();
    },
  );
  assert.deepEqual(
    outcomes.map(({ host, result }) => [host, result]),
    [
      ["a", "A"],
      ["b", null],
      ["c", "C"],
      ["d", "D"],
    ],
  );
  assert.throws(
    () => tellOutcomes(outcomes, "switched", (text) => text, { json: true }),
    (error) =>
      error instanceof UserError &&
      error.text === "1 of 4 hosts was not switched\n  b: no way in\n    the key is wrong",
  );
});

test("no more hosts are worked on at once than allowed, and a bug ends it", async () => {
  let now = 0;
  let most = 0;
  await across(
    hosts,
    2,
    () => {},
    async () => {
      most = Math.max(most, ++now);
      await setTimeout(5);
      now--;
    },
  );
  assert.equal(most, 2);
  await assert.rejects(
    across(
      hosts,
      2,
      () => {},
      async () => {
        throw new TypeError("bug");
      },
    ),
    TypeError,
  );
});
