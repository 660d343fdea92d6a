import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/machine/process.ts";
import { mounted } from "../../src/machine/resources.ts";
import { filesystem, has, leftovers, names, subvolume, wipe } from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";

test("a wipe retires the root under its time, and a snapshot of the closure's takes its place", async () => {
  await using fs = await filesystem();
  const { exitCode, report, stderr } = wipe(fs);
  assert.equal(exitCode, 0, stderr);
  assert.equal(stderr, "");
  assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "old_roots"]);
  assert.deepEqual(names(fs, "@root"), ["etc"]);
  assert.equal(readFileSync(join(fs.top, "old_roots", FIRST, "mark"), "utf8"), "first\n");
  writeFileSync(join(fs.top, "@root/writable"), "");
  assert.equal((await run("stat", ["-c", "%i", join(fs.top, "@root")])).trim(), "256");
  const { steps, ...rest } = report;
  assert.deepEqual(rest, {
    outcome: "wiped",
    reason: null,
    retired: FIRST,
    pruned: [],
    created: "snapshot",
    closure: null,
  });
  assert.deepEqual(
    steps.map(({ name }) => name),
    ["mountFilesystem", "createRoot", "retireRoot", "pruneOldRoots", "unmountFilesystem"],
  );
  assert.ok(steps.every(({ milliseconds }) => milliseconds >= 0 && milliseconds < 10_000));
  assert.deepEqual(leftovers(fs), []);
});

test("where the closure has no root, the fresh one is empty", async () => {
  await using fs = await filesystem();
  assert.equal(wipe(fs, { CLOSURE_ROOT: "" }).report.created, "empty");
  assert.equal(wipe(fs, { CLOSURE_ROOT: "@nix/store/abc-nixfleet-test/none" }).report.created, "empty");
  assert.deepEqual(names(fs, "@root"), []);
});

test("equal and backward clocks give distinct names in the right order", async () => {
  await using fs = await filesystem();
  const clocks = ["2026-11-23 00:03:12", "2026-11-23 00:03:12", "2020-01-01 00:00:00", "2026-11-23 00:03:13"];
  const retired = clocks.map((NOW, boot) => {
    writeFileSync(join(fs.top, "@root/boot"), `${boot}`);
    return wipe(fs, { NOW }).report.retired;
  });
  assert.deepEqual(retired, [
    "20261123T000312.000Z",
    "20261123T000312.001Z",
    "20261123T000312.002Z",
    "20261123T000313.000Z",
  ]);
  const boots = names(fs, "old_roots").map((name) => readFileSync(join(fs.top, "old_roots", name, "boot"), "utf8"));
  assert.deepEqual(boots, ["0", "1", "2", "3"]);
  assert.deepEqual(names(fs, `old_roots/${FIRST}`), ["boot", "mark"], "no root is inside another");
});

test("the counter runs on into the seconds, and names keep their order", async () => {
  await using fs = await filesystem();
  await subvolume(fs.top, "old_roots/20261123T000312.999Z");
  assert.equal(wipe(fs).report.retired, "20261123T000313.000Z");
  assert.equal(wipe(fs).report.retired, "20261123T000313.001Z");
});

test("the wipe runs once for each report, so once in a boot", async () => {
  await using fs = await filesystem();
  const REPORT = join(fs.scratch, "wipe.json");
  const first = wipe(fs, { REPORT });
  writeFileSync(join(fs.top, "@root/in-use"), "");
  const second = wipe(fs, { REPORT });
  assert.equal(second.exitCode, 0);
  assert.match(second.stderr, /has been run already/);
  assert.deepEqual(second.report, first.report);
  assert.ok(has(fs, "@root/in-use"));
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
  const failed = { REPORT: join(fs.scratch, "failed.json"), KEEP_NEWEST: "" };
  assert.equal(wipe(fs, failed).exitCode, 1);
  const again = wipe(fs, { ...failed, KEEP_NEWEST: 3 });
  assert.equal(again.exitCode, 1, "what failed in this boot stays failed");
  assert.equal(again.report.outcome, "failed");
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
});

test("a mounted @root is never retired, wherever and whatever of it is mounted", async () => {
  await using fs = await filesystem();
  const place = join(fs.scratch, "place");
  mkdirSync(place);
  mkdirSync(join(fs.top, "@root/var"));
  {
    await using _ = await mounted(join(fs.top, "@root/var"), place, ["bind"]);
    const { exitCode, report } = wipe(fs);
    assert.equal(exitCode, 1);
    assert.match(report.reason ?? "", /@root is mounted/);
    assert.deepEqual(names(fs), ["@nix", "@persist", "@root"]);
  }
  await using _ = await mounted(fs.device, place, ["subvol=@persist"]);
  assert.equal(wipe(fs).exitCode, 0, "something else of the filesystem may be mounted");
});

test("a rescue boot leaves everything as it is; the closure comes from the kernel command line", async () => {
  await using fs = await filesystem();
  const KERNEL_COMMAND_LINE = join(fs.scratch, "cmdline");
  const boot = { KERNEL_COMMAND_LINE, NIX_SUBVOLUME: "@nix", CLOSURE_ROOT: "" };
  const closure = "root=/dev/x * nixfleet.closure=/nix/store/abc-nixfleet-test rootflags=subvol=@root,noatime";
  for (const rescue of ["nixfleet.wipe=skip", `rootflags=noatime,subvol=old_roots/${FIRST}`]) {
    writeFileSync(KERNEL_COMMAND_LINE, `${closure} ${rescue}\n`);
    const skipped = wipe(fs, boot);
    assert.equal(skipped.exitCode, 0, skipped.stderr);
    assert.equal(skipped.report.outcome, "skipped");
    assert.equal(skipped.report.reason, `${rescue} is on the kernel command line`);
    assert.deepEqual(names(fs), ["@nix", "@persist", "@root"]);
    assert.ok(has(fs, "@root/mark"));
  }
  writeFileSync(KERNEL_COMMAND_LINE, `${closure}\n`);
  const { report } = wipe(fs, boot);
  assert.equal(report.created, "snapshot");
  assert.equal(report.closure, "/nix/store/abc-nixfleet-test");
  for (const bad of [
    "",
    "nixfleet.closure=/nix/store/gone",
    "nixfleet.closure=/nix/store/../x",
    "nixfleet.closure=/etc",
  ]) {
    writeFileSync(KERNEL_COMMAND_LINE, `${bad}\n`);
    assert.equal(wipe(fs, boot).exitCode, 1, bad);
  }
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
});

test("two filesystems with the label: neither is touched, both are named", async () => {
  await using one = await filesystem({ label: "twin-root" });
  const byLabel = { DEVICE: "", LABEL: "twin-root" };
  assert.equal(wipe(one, byLabel).exitCode, 0, "one alone is found by its label");
  await using other = await filesystem({ label: "twin-root" });
  const LABEL_LINK = join(one.scratch, "link");
  symlinkSync("before", LABEL_LINK);
  const { exitCode, report } = wipe(one, { ...byLabel, LABEL_LINK });
  assert.equal(exitCode, 1);
  assert.match(report.reason ?? "", new RegExp(`two filesystems.*${one.device} `));
  assert.match(report.reason ?? "", new RegExp(other.device));
  assert.deepEqual(names(one, "old_roots"), [FIRST]);
  assert.deepEqual(names(other), ["@nix", "@persist", "@root"]);
  assert.equal(readlinkSync(LABEL_LINK), "before");
  await run("btrfs", ["subvolume", "delete", join(other.top, "@root")]);
  assert.equal(wipe(one, { ...byLabel, LABEL_LINK }).exitCode, 1);
  assert.equal(readlinkSync(LABEL_LINK), one.device, "the boot goes on with the one that has a root");
  assert.deepEqual(leftovers(one), []);
});

test("the report is JSON whatever a tool says", async () => {
  await using fs = await filesystem();
  symlinkSync("@persist", join(fs.top, "old_roots"));
  const { report } = wipe(fs, { LABEL: 'a "quoted" \\ label\nof two lines', DEVICE: "" });
  assert.match(report.reason ?? "", /a "quoted" \\ label of two lines/);
});
