import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { type Filesystem, filesystem, has, names, prune, subvolume, wipe } from "./wipe-filesystem.ts";

/** The clock of the tests says 2026-11-23: these are all due. */
const OLD = ["20200101T000000.000Z", "20200102T000000.000Z", "20200103T000000.000Z", "20200104T000000.000Z"];
const NEW = ["20261101T000000.000Z", "20261102T000000.000Z", "20261103T000000.000Z"];

async function oldRoots(on: Filesystem, ...roots: readonly string[]): Promise<void> {
  await subvolume(on.top, ...roots.map((name) => `old_roots/${name}`));
}

test("old roots are pruned when they were retired longer ago than the retention, by their names", async () => {
  await using fs = await filesystem();
  // Made just now: their mtime says nothing.
  await oldRoots(fs, ...OLD, "20261024T000312.000Z", "20261024T000311.999Z", ...NEW);
  const { report } = wipe(fs);
  assert.deepEqual(report.pruned, [...OLD, "20261024T000311.999Z"]);
  assert.deepEqual(names(fs, "old_roots"), ["20261024T000312.000Z", ...NEW, "20261123T000312.000Z"]);
});

test("the newest keepNewest are never pruned, however old", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD);
  assert.deepEqual(wipe(fs).report.pruned, OLD.slice(0, 2), "the one just retired is the newest");
  assert.deepEqual(wipe(fs, { KEEP_NEWEST: 0, RETENTION_DAYS: 0 }).report.pruned, OLD.slice(2));
  assert.deepEqual(names(fs, "old_roots"), ["20261123T000312.000Z", "20261123T000312.001Z"]);
});

test("nothing is pruned while the clock is before the newest retirement", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, "20990101T000000.000Z");
  const { exitCode, report, stderr } = wipe(fs);
  assert.equal(exitCode, 0);
  assert.deepEqual(report.pruned, []);
  assert.match(stderr, /nothing is pruned: the clock/);
  assert.deepEqual(names(fs, "old_roots"), [...OLD, "20990101T000000.000Z", "20990101T000000.001Z"]);
});

test("what the wipe did not put there is neither deleted nor counted: folders, links, other names", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD.slice(0, 3));
  // A restored backup, under the very names that the wipe gives, newer than all others and older.
  mkdirSync(join(fs.top, "old_roots/20261101T000000.000Z"));
  mkdirSync(join(fs.top, "old_roots/20261102T000000.000Z"));
  cpSync(join(fs.top, "@root"), join(fs.top, "old_roots/20190101T000000.000Z"), { recursive: true });
  symlinkSync("../@persist", join(fs.top, "old_roots/20190102T000000.000Z"));
  symlinkSync("../@persist", join(fs.top, "old_roots/20261103T000000.000Z"));
  writeFileSync(join(fs.top, "old_roots/20190103T000000.000Z"), "");
  await oldRoots(fs, "backup", "20190101T000000.000Z.kept", "20190101T000000", "old/20190101T000000.000Z");
  const before = names(fs, "old_roots");
  const { report } = wipe(fs);
  assert.deepEqual(report.pruned, OLD.slice(0, 1), "two of them and the one just retired are the newest three");
  assert.deepEqual(names(fs, "old_roots"), [...before.filter((name) => name !== OLD[0]), report.retired].sort());
  assert.ok(has(fs, "@persist/precious") && has(fs, "old_roots/20190101T000000.000Z/mark"));
});

for (const [case_, arrange] of [
  ["a crash left no @root, and the machine was off for longer than the retention", async () => {}],
  [
    "old_roots holds a plain directory, a restored backup",
    async (fs: Filesystem) => mkdirSync(join(fs.top, "old_roots/20190101T000000.000Z/@persist"), { recursive: true }),
  ],
] as const) {
  test(`@persist and @nix stay though ${case_}`, async () => {
    await using fs = await filesystem();
    mkdirSync(join(fs.top, "old_roots"));
    await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
    await run("touch", ["--date=2020-01-01", join(fs.top, "old_roots")]);
    await arrange(fs);
    for (const KEEP_NEWEST of [3, 0]) assert.equal(wipe(fs, { KEEP_NEWEST, RETENTION_DAYS: 0 }).exitCode, 0);
    assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "old_roots"]);
    assert.ok(has(fs, "@persist/precious"));
    assert.ok(has(fs, "@nix/store/abc-nixfleet-test/root/etc"));
  });
}

test("subvolumes nested in an old root go with it: deep, read-only, moved, and with immutable files inside", async () => {
  await using fs = await filesystem();
  const [root = ""] = OLD;
  await oldRoots(fs, ...OLD.slice(0, 1), ...NEW);
  const within = (path: string) => join(fs.top, "old_roots", root, path);
  await subvolume(within(""), "later", "tmp", "var/lib/machines", "var/lib/machines/a", "var/lib/machines/a/b c");
  // So that an id is greater than that of what is nested in it.
  await run("mv", [within("tmp"), within("var/lib/machines/a/tmp")]);
  await subvolume(within(""), "outer");
  await run("mv", [within("later"), within("outer/later")]);
  writeFileSync(within("var/lib/machines/immutable"), "");
  writeFileSync(within("immutable"), "");
  await run("chattr", ["+i", within("var/lib/machines/immutable"), within("immutable")]);
  await run("btrfs", ["subvolume", "snapshot", "-r", within("outer/later"), within("snapshot")]);
  for (const path of ["outer", "var/lib/machines/a", ""]) {
    await run("btrfs", ["property", "set", "-ts", within(path), "ro", "true"]);
  }
  const { report, stderr } = wipe(fs);
  assert.equal(stderr, "");
  assert.deepEqual(report.pruned, [root]);
  assert.deepEqual(names(fs, "old_roots"), [...NEW, "20261123T000312.000Z"]);
  const { stdout } = { stdout: await run("btrfs", ["subvolume", "list", fs.top]) };
  assert.equal(stdout.trim().split("\n").length, 3 + 1 + 4, "@root, @persist, @nix, the closure's root, 4 old roots");
});

test("a name that forges the listing of subvolumes deletes nothing outside of its own root", async () => {
  await using fs = await filesystem();
  const [root = ""] = OLD;
  await oldRoots(fs, root, ...NEW);
  const beside = `old_roots/${root}.kept/inner`;
  await subvolume(fs.top, beside);
  for (const [index, victim] of ["@persist", "@nix", `old_roots/${NEW[0]}`, beside].entries()) {
    const id = (await run("btrfs", ["inspect-internal", "rootid", join(fs.top, victim)])).trim();
    const name = `x${index}\nID ${id} gen 1 parent 5 top level 5 path old_roots/${root}/y`;
    mkdirSync(join(fs.top, "old_roots", root, name, ".."), { recursive: true });
    await run("btrfs", ["subvolume", "create", join(fs.top, "old_roots", root, name)]);
  }
  const listing = await run("btrfs", ["subvolume", "list", fs.top]);
  assert.match(listing, /^ID \d+ gen 1 parent 5 top level 5 path old_roots\/20200101T000000.000Z\/y/m, "it is forged");
  assert.deepEqual(wipe(fs).report.pruned, [root]);
  assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "old_roots"]);
  assert.ok(has(fs, "@persist/precious"));
  assert.deepEqual(names(fs, "old_roots"), [`${root}.kept`, ...NEW, "20261123T000312.000Z"]);
  assert.ok(has(fs, beside));
});

test("an old root that cannot be deleted stays, is named, and costs neither the wipe nor the others", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD, ...NEW);
  const stuck = join(fs.top, "old_roots", OLD[0] ?? "");
  await run("chattr", ["+i", stuck]);
  const { exitCode, report, stderr } = wipe(fs);
  assert.equal(exitCode, 0);
  assert.equal(report.outcome, "wiped");
  assert.deepEqual(report.pruned, OLD.slice(1));
  assert.match(stderr, new RegExp(`cannot delete the old root ${OLD[0]}`));
  const late = prune(fs);
  assert.equal(late.exitCode, 1);
  assert.deepEqual(late.report.left, OLD.slice(0, 1));
  assert.match(late.report.reason ?? "", /Operation not permitted/);
  await run("chattr", ["-i", stuck]);
});

test("keepNewest holds though what is newest is not the wipe's", async () => {
  await using fs = await filesystem();
  await oldRoots(fs, ...OLD.slice(0, 3));
  for (const name of NEW) mkdirSync(join(fs.top, "old_roots", name));
  await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
  assert.deepEqual(wipe(fs).report.pruned, []);
  assert.equal(readdirSync(join(fs.top, "old_roots")).length, 6);
});
