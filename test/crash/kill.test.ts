/**
 * The script killed (SIGKILL, with all its processes) after a random time, so also in the middle of what they do.
 * `NIXFLEET_SEED=N` repeats the times, `NIXFLEET_KILLS=N` sets how many.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { filesystem, has, names, subvolume, wipe } from "../btrfs/wipe-filesystem.ts";
import { killedWipe } from "./killed-wipe.ts";
import { SEED, seeded } from "./random.ts";

const KILLS = Number(process.env.NIXFLEET_KILLS ?? 120);
const DUE = ["20200101T000000.000Z", "20200102T000000.000Z"];

test(`killed at any of ${KILLS} moments, the next run gives a fresh root, and no root is lost`, async (t) => {
  const random = seeded(SEED);
  t.diagnostic(`NIXFLEET_SEED=${SEED}`);
  await using fs = await filesystem({ megabytes: 512 });
  const began = performance.now();
  assert.equal(wipe(fs).exitCode, 0);
  const usual = performance.now() - began;
  let killed = 0;
  const inUse: string[] = [];
  for (let boot = 0; boot < KILLS; boot++) {
    const where = `boot ${boot}, NIXFLEET_SEED=${SEED}`;
    if (has(fs, "@root")) {
      writeFileSync(join(fs.top, "@root/boot"), `${boot}`);
      inUse.push(`${boot}`);
    }
    for (const name of DUE) if (!has(fs, `old_roots/${name}`)) await subvolume(fs.top, `old_roots/${name}/nested`);
    // KEEP_NEWEST 3 and a retention of 30 days: only DUE may go.
    if (await killedWipe(fs, random.below(usual), { NOW: "2026-11-23 00:03:12" })) killed += 1;
    if (random.chance(0.3)) {
      // A boot whose wipe fails puts the newest root back.
      assert.equal(wipe(fs, { CLOSURE_ROOT: "@nix/store/gone/root" }).exitCode, 1, where);
      assert.ok(has(fs, "@root"), where);
    }
    const next = wipe(fs);
    assert.equal(next.exitCode, 0, `${where}: ${next.stderr}`);
    assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "old_roots"], where);
    assert.deepEqual(names(fs, "@root"), ["etc"], where);
    assert.equal(readFileSync(join(fs.top, "@persist/precious"), "utf8"), "precious\n", where);
    const marks = names(fs, "old_roots").map((name) => join(fs.top, "old_roots", name, "boot"));
    const found = marks.filter(existsSync).map((mark) => readFileSync(mark, "utf8"));
    assert.deepEqual(found, inUse, `${where}: each root that was in use, in the order of their names`);
  }
  t.diagnostic(`${killed} of ${KILLS} were killed before their end`);
  assert.ok(killed > KILLS / 4, `only ${killed} were killed`);
});
