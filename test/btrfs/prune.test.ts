/** The prune on the running host. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { pruneReport } from "../reports.ts";
import { type Filesystem, filesystem, leftovers, names, prune, subvolume, wipe } from "./wipe-filesystem.ts";

/** The clock of the tests says 2026-11-23: these are all due. */
const OLD = ["20200101T000000.000Z", "20200102T000000.000Z", "20200103T000000.000Z", "20200104T000000.000Z"];
const NEW = ["20261101T000000.000Z", "20261102T000000.000Z", "20261103T000000.000Z"];

async function oldRoots(on: Filesystem, ...roots: readonly string[]): Promise<void> {
  await subvolume(on.top, ...roots.map((name) => `old_roots/${name}`));
}

test("in the boot nothing is pruned, whatever is due: that is done later, on the running host", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, ...NEW);
  await subvolume(fs.top, `old_roots/${OLD[1]}/nested`);
  assert.deepEqual(wipe(fs, { PRUNE: "" }).report.pruned, []);
  assert.deepEqual(names(fs, "old_roots"), [...OLD, ...NEW, "20261123T000312.000Z"]);
  const late = prune(fs);
  assert.equal(late.exitCode, 0, late.stderr);
  assert.deepEqual(late.stdout.trim().split("\n"), OLD);
  assert.deepEqual(late.report, { outcome: "complete", reason: null, pruned: OLD, early: [], left: [], short: null });
  assert.equal(prune(fs).stdout, "", "there is nothing left to do");
  assert.deepEqual(leftovers(fs), []);
});

test("nothing is due before a date that the clock has no name for", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, ...NEW);
  for (const [days, outcome] of [
    [36_500, "complete"],
    [800_000, "failed"],
    [2_000_000, "failed"],
    [3_650_000, "failed"],
    [9_999_999, "failed"],
  ] as const) {
    const { report } = prune(fs, { RETENTION_DAYS: days, KEEP_NEWEST: 0 });
    assert.deepEqual([report.outcome, report.pruned], [outcome, []], `${days}`);
    assert.match(report.reason ?? "", outcome === "failed" ? /the date \d+ days ago/ : /^$/);
  }
  assert.deepEqual(names(fs, "old_roots"), [...OLD, ...NEW]);
});

test("a rescue boot prunes nothing: the very root that it runs on may be due", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, ...NEW);
  const wipeReport = join(fs.scratch, "wipe.report");
  writeFileSync(wipeReport, "outcome=skipped\nreason=nixfleet.wipe=skip\nend\n");
  const { exitCode, report } = prune(fs);
  assert.equal(exitCode, 0);
  assert.deepEqual(report, { outcome: "skipped", reason: null, pruned: [], early: [], left: [], short: null });
  assert.deepEqual(names(fs, "old_roots"), [...OLD, ...NEW]);
  writeFileSync(wipeReport, "outcome=wiped\nreason=outcome=skipped\nend\n");
  assert.deepEqual(prune(fs).report.pruned, OLD);
});

test("pruning takes up more old roots than one round looks at, and a newer clock is no danger to the newest", async () => {
  await using fs = await filesystem({ megabytes: 512 });
  const many = Array.from(
    { length: 1010 },
    (_, i) => `20200101T00000${Math.floor(i / 1000)}.${`${i % 1000}`.padStart(3, "0")}Z`,
  );
  mkdirSync(join(fs.top, "old_roots"));
  await run("btrfs", ["subvolume", "create", ...many], { cwd: join(fs.top, "old_roots") }).catch(async () => {
    for (const name of many) await run("btrfs", ["subvolume", "create", name], { cwd: join(fs.top, "old_roots") });
  });
  assert.equal(wipe(fs, { PRUNE: "", NOW: "2090-01-01 00:00:00" }).exitCode, 0);
  const late = prune(fs, { NOW: "2090-01-01 00:00:01" });
  assert.equal(late.exitCode, 0, late.stderr);
  assert.deepEqual(late.stdout.trim().split("\n"), many.slice(0, -2));
});

test("pruning that is stopped says how far it came, and goes on the next time", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, ...NEW);
  const tools = join(fs.scratch, "tools");
  mkdirSync(tools);
  // Once one old root is gone, the script is asked to stop.
  const stop = `#!/bin/sh\n[ -e ${tools}/seen ] || cp ${join(fs.scratch, "prune.report")} ${tools}/seen\n[ ! -e ${join(fs.top, "old_roots", OLD[1] ?? "")} ] && kill -TERM $PPID\nPATH=\${PATH#*:}; exec btrfs "$@"\n`;
  writeFileSync(join(tools, "btrfs"), stop, { mode: 0o755 });
  const stopped = prune(fs, {}, `${tools}:${process.env.PATH}`);
  assert.equal(stopped.exitCode, 1);
  assert.equal(stopped.report.outcome, "stopped");
  const during = pruneReport(readFileSync(join(tools, "seen"), "utf8"));
  assert.deepEqual(during, { outcome: "running", reason: null, pruned: [], early: [], left: OLD, short: null });
  const left = names(fs, "old_roots").filter((name) => OLD.includes(name));
  assert.deepEqual(stopped.report.left, left);
  assert.ok(left.length < OLD.length && left.length > 0, `${left}`);
  assert.deepEqual(leftovers(fs), []);
  assert.deepEqual(prune(fs).report.pruned, left);
});
