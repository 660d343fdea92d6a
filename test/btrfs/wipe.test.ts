import assert from "node:assert/strict";
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { mounted } from "../../src/local/resources.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { filesystem, has, leftovers, names, prune, subvolume, wipe } from "./wipe-filesystem.ts";

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
  assert.ok(steps.some(({ milliseconds }) => milliseconds > 0));
  assert.deepEqual(leftovers(fs), []);
});

test("where the closure has no root, the fresh one is empty", async () => {
  await using fs = await filesystem();
  assert.equal(wipe(fs, { CLOSURE_ROOT: "" }).report.created, "empty");
  assert.equal(wipe(fs, { CLOSURE_ROOT: "@nix/store/abc-nixfleet-test/none" }).report.created, "empty");
  assert.deepEqual(names(fs, "@root"), []);
});

test("a root of another name is retired and made anew by that name, and nothing else is touched", async () => {
  for (const name of ["rootfs", "os/root"]) {
    await using fs = await filesystem();
    mkdirSync(join(fs.top, "os"));
    await run("mv", [join(fs.top, "@root"), join(fs.top, name)]);
    await subvolume(fs.top, "@root");
    writeFileSync(join(fs.top, "@root/somebody's"), "else");
    for (const boot of [0, 1]) {
      const { report, stderr } = wipe(fs, { ROOT_SUBVOLUME: name, NOW: `2026-11-23 00:03:1${2 + boot}` });
      assert.deepEqual([report.outcome, report.created], ["wiped", "snapshot"], stderr);
    }
    assert.equal(readFileSync(join(fs.top, "old_roots", FIRST, "mark"), "utf8"), "first\n");
    assert.equal(names(fs, "old_roots").length, 2);
    assert.deepEqual(names(fs, name), ["etc"]);
    assert.equal(readFileSync(join(fs.top, "@root/somebody's"), "utf8"), "else");
    // After a crash between the two renames.
    await run("mv", [join(fs.top, name), join(fs.top, "old_roots", "20261123T000314.000Z")]);
    assert.equal(wipe(fs, { ROOT_SUBVOLUME: name, CLOSURE_ROOT: "@nix/store/gone/root" }).report.outcome, "failed");
    assert.deepEqual(names(fs, name), ["etc"]);
  }
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

test("an old root is called by the time at which it is retired, in UTC, wherever the host is", async () => {
  await using fs = await filesystem();
  const mtime = new Date("2020-01-01T00:00:00Z");
  utimesSync(join(fs.top, "@root"), mtime, mtime);
  const zone = process.env.TZ;
  process.env.TZ = "Ahead-14";
  try {
    const before = Date.now();
    const retired = wipe(fs, { NOW: "" }).report.retired ?? "";
    const name = (time: number) => new Date(time).toISOString().replace(/[-:]/g, "");
    assert.ok(retired > name(before - 1000) && retired <= name(Date.now()), retired);
    const later = name(Date.now() + 3_600_000);
    await subvolume(fs.top, `old_roots/${later}`);
    const { report } = prune(fs, { NOW: "", RETENTION_DAYS: 0, KEEP_NEWEST: 0 });
    assert.deepEqual(report.pruned, [], "the clock is before the newest");
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("the counter runs on into the seconds, and names keep their order", async () => {
  await using fs = await filesystem();
  await subvolume(fs.top, "old_roots/20261123T000312.999Z");
  assert.equal(wipe(fs).report.retired, "20261123T000313.000Z");
  assert.equal(wipe(fs).report.retired, "20261123T000313.001Z");
});

test("the wipe runs once for each report, so once in a boot", async () => {
  await using fs = await filesystem();
  const REPORT = join(fs.scratch, "wipe.report");
  const first = wipe(fs, { REPORT });
  writeFileSync(join(fs.top, "@root/in-use"), "");
  const second = wipe(fs, { REPORT });
  assert.equal(second.exitCode, 0);
  assert.match(second.stderr, /has already run/);
  assert.deepEqual(second.report, first.report);
  assert.ok(has(fs, "@root/in-use"));
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
  const failed = { REPORT: join(fs.scratch, "failed.report"), KEEP_NEWEST: "" };
  assert.equal(wipe(fs, failed).exitCode, 1);
  const again = wipe(fs, { ...failed, KEEP_NEWEST: 3 });
  assert.equal(again.exitCode, 1, "what failed in this boot stays failed");
  assert.equal(again.report.outcome, "failed");
  assert.deepEqual(names(fs, "old_roots"), [FIRST]);
});

test("what fails once the root is fresh does not fail the boot, and is said", async () => {
  await using fs = await filesystem();
  const tools = join(fs.scratch, "tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "umount"), "#!/bin/sh\necho it is odd >&2; exit 1\n", { mode: 0o755 });
  const { exitCode, stderr, report } = wipe(fs, {}, `${tools}:${process.env.PATH}`);
  await run("umount", [fs.mountpoint]);
  assert.equal(exitCode, 0);
  assert.match(stderr, /the root is wiped, but unmountFilesystem: cannot unmount .*: it is odd/);
  assert.equal(report.outcome, "wiped");
  assert.match(report.reason ?? "", /cannot unmount .*: it is odd/);
});

test("a wipe that is asked to end, as by its time limit, says where it was and leaves the root", async () => {
  await using fs = await filesystem();
  const tools = join(fs.scratch, "tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "btrfs"), "#!/bin/sh\nkill -TERM $PPID; sleep 1\n", { mode: 0o755 });
  const { exitCode, report } = wipe(fs, {}, `${tools}:${process.env.PATH}`);
  assert.equal(exitCode, 1);
  assert.equal(report.outcome, "failed");
  assert.equal(report.reason, "it stopped before finishing, in createRoot");
  assert.ok(has(fs, "@root/mark"));
  assert.deepEqual(leftovers(fs), []);
});

test("where a failure halts the host, that is what is said", async () => {
  await using fs = await filesystem();
  assert.match(wipe(fs, { KEEP_NEWEST: "" }).stderr, /THE ROOT IS NOT WIPED.*\n.*the previous root stays/);
  const { stderr } = wipe(fs, { KEEP_NEWEST: "", ON_FAILURE: "halt" });
  assert.match(stderr, /THE ROOT IS NOT WIPED.*\n.*this host must not run on an old root/);
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
  const MOUNTPOINT = join(fs.scratch, "not as mountinfo has it");
  mkdirSync(MOUNTPOINT);
  assert.match(wipe(fs, { MOUNTPOINT }).report.reason ?? "", /@root is mounted/, "nor where that cannot be told");
  await using _ = await mounted(fs.device, place, ["subvol=@persist"]);
  await using other = await filesystem();
  const elsewhere = join(fs.scratch, "elsewhere");
  mkdirSync(elsewhere);
  await using __ = await mounted(other.device, elsewhere, ["subvol=@root"]);
  assert.equal(wipe(fs).exitCode, 0, "something else of the filesystem may be mounted, and the @root of another");
});

test("the report has whole lines of text, whatever a tool says, in whatever bytes", async () => {
  await using fs = await filesystem();
  const LABEL = 'a "quoted" \\ label\nof two lines, with ü and 😀';
  assert.match(
    wipe(fs, { LABEL, DEVICE: "" }).report.reason ?? "",
    /a "quoted" \\\\ label\\nof two lines, with ü and 😀;/,
  );
  const REPORT = join(fs.scratch, "bytes.report");
  const KERNEL_COMMAND_LINE = join(fs.scratch, "cmdline");
  const every = Buffer.from(
    Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => ![9, 10, 32].includes(byte)),
  );
  writeFileSync(
    KERNEL_COMMAND_LINE,
    Buffer.concat([Buffer.from("nixfleet.closure=/etc/"), every, Buffer.from("ü\xf0\n", "latin1"), Buffer.from("\n")]),
  );
  assert.equal(wipe(fs, { REPORT, KERNEL_COMMAND_LINE, NIX_SUBVOLUME: "@nix" }).exitCode, 1);
  const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(REPORT));
  assert.match(
    wipeReport(text).reason ?? "",
    /nixfleet.closure=\/etc\/\\x01.*!"#\$%&'\(\)\*\+,.*}~\\x7f\\x80.*\\xfe\\xff\\xfc\\xf0 .*does not name a closure$/,
  );
});
