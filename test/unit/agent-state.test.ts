import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryLost, readState, stateBefore, writeState } from "../../src/agent/memory.ts";
import { isWithinWindow } from "../../src/agent/settings.ts";
import { firstState, stateIn, stateText } from "../../src/agent/state.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("whatever is changed in the state's file, it counts as damaged", () => {
  const text = Buffer.from(stateText({ ...firstState("web1"), change: 7, newest: 3 }));
  assert.equal(stateIn(text.toString())?.change, 7);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(text);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      assert.equal(stateIn(damaged.toString("latin1")), null);
    }),
  );
  fc.assert(
    fc.property(fc.nat(text.length - 1), (end) => assert.equal(stateIn(text.subarray(0, end).toString()), null)),
  );
});

test("a state that is missing or damaged is an error that says what to do, and enrolling again keeps what was there", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(readState(folder.path), (error) => error instanceof MemoryLost && /missing/.test(error.message));
  const state = { ...firstState("web1"), change: 7 };
  await writeState(folder.path, state);
  assert.deepEqual(await readState(folder.path), state);
  assert.deepEqual(await stateBefore(folder.path), state);
  writeFileSync(join(folder.path, "state"), "");
  await assert.rejects(readState(folder.path), (error) => error instanceof MemoryLost && /damaged/.test(error.message));
  assert.equal(await stateBefore(folder.path), null);
  assert.equal(readFileSync(join(folder.path, "state.damaged"), "utf8"), "");
  rmSync(join(folder.path, "state.damaged"));
});

test("a maintenance window may go over midnight", () => {
  const at = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  const night = { start: "22:00", end: "04:30" };
  for (const time of ["22:00", "23:59", "00:00", "04:29"]) assert.ok(isWithinWindow(night, at(time)), time);
  for (const time of ["21:59", "04:30", "12:00"]) assert.ok(!isWithinWindow(night, at(time)), time);
  assert.ok(isWithinWindow({ start: "02:00", end: "03:00" }, at("02:59")));
  assert.ok(!isWithinWindow({ start: "02:00", end: "03:00" }, at("03:00")));
  assert.ok(isWithinWindow(null, 0));
});
