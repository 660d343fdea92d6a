/** What is asked for on the kernel command line. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { tree } from "../crash/tree.ts";
import { type Filesystem, filesystem, has, leftovers, names, subvolume, wipe } from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";
const CLOSURE = "root=/dev/x * nixfleet.closure=/nix/store/abc-nixfleet-test rootflags=subvol=@root,noatime";

/** A wipe of a boot with this on its kernel command line. */
function boot(fs: Filesystem, line: string, parameters = {}) {
  const KERNEL_COMMAND_LINE = join(fs.scratch, "cmdline");
  writeFileSync(KERNEL_COMMAND_LINE, `${line}\n`);
  return wipe(fs, { KERNEL_COMMAND_LINE, NIX_SUBVOLUME: "@nix", CLOSURE_ROOT: "", ...parameters });
}

for (const rescue of [
  "nixfleet.wipe=skip",
  `rootflags=noatime,subvol=old_roots/${FIRST}`,
  `rootflags=subvol=/old_roots/${FIRST},noatime`,
  "rootflags=subvolid=300",
]) {
  test(`a boot with ${rescue} leaves everything as it finds it`, async () => {
    await using fs = await filesystem();
    await subvolume(fs.top, "@root.new", "@root/nested", "old_roots/20200101T000000.000Z/nested");
    for (const path of ["old_roots/20200102T000000.000Z", "old_roots/20200103T000000.000Z"])
      await subvolume(fs.top, path);
    // The generation changes with the times of the last access.
    const subvolumes = async () =>
      (await run("btrfs", ["subvolume", "list", "-pcu", fs.top])).replaceAll(/ gen \d+/g, "");
    const everything = async () => `${tree(fs.top)}\n${await subvolumes()}`;
    await run("sync", ["-f", fs.top]);
    const before = await everything();
    for (const closure of [CLOSURE, "nixfleet.closure=/nix/store/gone", ""]) {
      const { exitCode, report, stderr } = boot(fs, `${closure} ${rescue}`, { RETENTION_DAYS: 0, KEEP_NEWEST: 0 });
      assert.equal(exitCode, 0, stderr);
      assert.equal(report.outcome, "skipped");
      assert.equal(report.reason, `${rescue} is on the kernel command line`);
      await run("sync", ["-f", fs.top]);
      assert.equal(await everything(), before);
    }
    assert.deepEqual(leftovers(fs), []);
  });
}

test("a rescue boot has a root: where a crash left none, the newest old one, or else one that was never used", async () => {
  await using fs = await filesystem();
  renameSync(join(fs.top, "@root"), join(fs.top, "@root.new"));
  assert.equal(boot(fs, "nixfleet.wipe=skip").report.outcome, "skipped");
  assert.deepEqual(names(fs), ["@nix", "@persist", "@root"]);
  mkdirSync(join(fs.top, "old_roots"));
  renameSync(join(fs.top, "@root"), join(fs.top, "old_roots", FIRST));
  await subvolume(fs.top, "@root.new", "old_roots/20200101T000000.000Z");
  assert.equal(boot(fs, "nixfleet.wipe=skip").report.outcome, "skipped");
  assert.ok(has(fs, "@root/mark"));
  assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z"]);
});

test("a rescue boot before the first boot, whose @root is still empty, is a first boot", async () => {
  await using fs = await filesystem();
  rmSync(join(fs.top, "@root/mark"));
  const old = boot(fs, `${CLOSURE} rootflags=subvol=old_roots/${FIRST} nixfleet.wipe=skip`);
  assert.equal(
    boot(fs, "nixfleet.closure=/etc nixfleet.wipe=skip").report.outcome,
    "skipped",
    "there is no other root",
  );
  const { report, stderr } = boot(fs, `${CLOSURE} nixfleet.wipe=skip`);
  assert.match(stderr, /@root is empty/);
  assert.deepEqual([old.report.outcome, report.outcome, report.created], ["skipped", "wiped", "snapshot"]);
  assert.deepEqual(names(fs, "@root"), ["etc"]);
});

test("the closure comes from the kernel command line, and has to be one", async () => {
  await using fs = await filesystem();
  const { report } = boot(fs, CLOSURE);
  assert.equal(report.created, "snapshot");
  assert.equal(report.closure, "/nix/store/abc-nixfleet-test");
  for (const bad of [
    "",
    "nixfleet.closure=/nix/store/gone",
    "nixfleet.closure=/nix/store/../x",
    "nixfleet.closure=/nix/store/abc-nixfleet-test/root/etc",
    "nixfleet.closure=/etc",
  ]) {
    assert.equal(boot(fs, bad).exitCode, 1, bad);
  }
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
});
