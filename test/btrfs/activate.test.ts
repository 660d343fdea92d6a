import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { entriesList, PLACED_LIST } from "../../src/plan/activation.ts";
import { ALICE, activate, CLOSURE, entry, freshRoot, type Root } from "./activation-root.ts";

test("/usr is the closure's and read-only, folders are bound, links lead to the persist root", async () => {
  await using root = await freshRoot([
    entry("directory", '/var/a %h "quoted" \\ folder', "bind"),
    entry("directory", "/var/linked", "symlink"),
  ]);
  const { exitCode, report, stderr } = activate(root);
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(report, { outcome: "complete", closure: CLOSURE, problems: [], differences: [], carried: [] });
  assert.throws(() => writeFileSync(join(root.path, "usr/bin/file"), ""), /EROFS/);
  writeFileSync(join(root.path, 'var/a %h "quoted" \\ folder/file'), "kept");
  assert.equal(readFileSync(join(root.path, 'persist/var/a %h "quoted" \\ folder/file'), "utf8"), "kept");
  assert.equal(readlinkSync(join(root.path, "var/linked")), "/persist/var/linked");
});

test("a file is linked, whatever its name, and what is written through the link is on the persist root", async () => {
  const odd = '/etc/an "odd" 100%n \\ name ';
  await using root = await freshRoot([entry("file", odd, "symlink")]);
  assert.equal(activate(root).exitCode, 0);
  assert.equal(readlinkSync(join(root.path, odd)), `/persist${odd}`);
  assert.ok(!existsSync(join(root.path, "persist", odd)), "its program makes it");
});

test("a persist root that is a folder of what is mounted is made, before anything is put there", async () => {
  const place = { persistRoot: "/persist/system/one", source: "/persist/system/one/var/a" };
  await using root = await freshRoot([entry("directory", "/var/a", "bind", place)]);
  const machineId = "/persist/system/one/etc/machine-id";
  const { report } = activate(root, { ROOTS: "/persist/system/one\n/persist/a b", MACHINE_ID: machineId });
  assert.deepEqual(report.problems, []);
  writeFileSync(join(root.path, "var/a/file"), "kept");
  assert.equal(readFileSync(join(root.path, "persist/system/one/var/a/file"), "utf8"), "kept");
  assert.ok(existsSync(join(root.path, "persist/a b")));
});

test("data that exists keeps its owner and mode, and a difference from the declaration is reported", async () => {
  await using root = await freshRoot([
    entry("directory", "/var/as declared", "bind", { user: "alice", group: "alice", mode: "0750" }),
    entry("directory", "/var/by number", "bind", { user: String(ALICE), group: String(ALICE) }),
    entry("directory", "/var/other", "bind", { user: "alice", group: "alice", mode: "0700" }),
    entry("file", "/etc/file", "bind", { mode: "0600" }),
    entry("file", "/etc/link", "symlink"),
    entry("directory", "/var/nobody says", "bind", { assumed: ["user", "group", "mode"] }),
    entry("directory", "/var/mode only", "bind", { mode: "0700", assumed: ["user", "group"] }),
  ]);
  await borrowUsr(root);
  assert.deepEqual(activate(root).report.differences, [], "nothing existed");
  await run("umount", ["--recursive", join(root.path, "var/other")]);
  const other = join(root.path, "persist/var/other");
  chownSync(other, 0, 7);
  chmodSync(other, 0o1777);
  for (const name of ["nobody says", "mode only"]) chownSync(join(root.path, "persist/var", name), ALICE, ALICE);
  chmodSync(join(root.path, "persist/var/nobody says"), 0o700);
  const { report } = activate(root);
  assert.equal(report.outcome, "complete");
  assert.deepEqual(report.differences, [
    "/persist/var/other is root:7 1777, but declared as alice:alice 0700; nothing was changed",
  ]);
  assert.deepEqual([statSync(other).uid, statSync(other).mode & 0o7777], [0, 0o1777]);
});

for (const [what, before, same] of [
  ["missing", null, false],
  ["empty", "", false],
  ["cut short by a crash", "0123456789abcdef\n", false],
  ["of another form", "01234567-89ab-cdef-0123-456789abcdef\n", false],
  ["all zero", `${"0".repeat(32)}\n`, false],
  ["there", "0123456789abcdef0123456789abcdef\n", true],
] as const) {
  test(`a machine id that is ${what} is ${same ? "kept" : "made"}, once`, async () => {
    await using root = await freshRoot([entry("file", "/etc/machine-id", "bind")]);
    const source = join(root.path, "persist/etc/machine-id");
    if (before !== null) writeFileSync(source, before);
    writeFileSync(`${source}.new`, "left by a crash");
    assert.equal(activate(root, { MACHINE_ID: "/persist/etc/machine-id" }).exitCode, 0);
    const made = readFileSync(source, "utf8");
    assert.match(made, /^[0-9a-f]{32}\n$/);
    assert.equal(made === before, same);
    assert.equal(readFileSync(join(root.path, "etc/machine-id"), "utf8"), made);
    assert.equal(statSync(join(root.path, "etc/machine-id")).ino, statSync(source).ino, "it is bound");
  });
}

test("keys become the user's, and nothing else does: no link is followed, no file with another name taken", async () => {
  await using root = await freshRoot([]);
  const home = join(root.path, "persist/home/alice");
  const keys = join(home, ".keys");
  mkdirSync(join(keys, "deep"), { recursive: true });
  writeFileSync(join(keys, "deep/key"), "");
  writeFileSync(join(root.path, "persist/etc/host_key"), "secret");
  linkSync(join(root.path, "persist/etc/host_key"), join(keys, "stolen"));
  symlinkSync("/persist/etc", join(keys, "link"));
  symlinkSync("../../../etc", join(keys, "deep/link"));
  const { exitCode, report } = activate(root, { KEYS: "alice /persist/home/alice/.keys\nnobody-here /persist/none" });
  assert.equal(exitCode, 0);
  for (const own of ["", "deep", "deep/key", "link", "deep/link"])
    assert.equal(lstatSync(join(keys, own)).uid, ALICE, own);
  assert.equal(statSync(join(root.path, "persist/etc/host_key")).uid, 0);
  assert.equal(statSync(join(root.path, "persist/etc")).uid, 0);
  assert.match(report.problems.join(), /several hard links: .*stolen/);
});

test("a user who leaves a thousand files with several names does not hold the boot with a thousand lines", async () => {
  await using root = await freshRoot([]);
  const keys = join(root.path, "persist/home/alice/.keys");
  mkdirSync(join(keys, "z"), { recursive: true });
  writeFileSync(join(root.path, "persist/etc/host_key"), "secret");
  for (let n = 0; n < 1000; n++) {
    linkSync(join(root.path, "persist/etc/host_key"), join(keys, `stolen-${n}`));
    writeFileSync(join(keys, `z/${n}`), "");
  }
  const { report } = activate(root, { KEYS: "alice /persist/home/alice/.keys" });
  assert.equal(report.problems.length, 20);
  assert.equal(report.problems.at(-1), "and more");
  for (let n = 0; n < 1000; n++) assert.equal(statSync(join(keys, `z/${n}`)).uid, ALICE);
});

test("keys are given once: what the user later calls so, but is root's, stays root's", async () => {
  await using root = await freshRoot([]);
  const home = join(root.path, "persist/home/alice");
  const KEYS = "alice /persist/home/alice/.keys";
  mkdirSync(join(home, "of-root"));
  writeFileSync(join(home, "of-root/file"), "");
  assert.equal(activate(root, { KEYS }).report.outcome, "complete");
  renameSync(join(home, "of-root"), join(home, ".keys"));
  assert.equal(activate(root, { KEYS }).report.outcome, "complete");
  for (const path of [".keys", ".keys/file"]) assert.equal(statSync(join(home, path)).uid, 0, path);
});

for (const [what, damage, said] of [
  ["a file", (record: string) => writeFileSync(record, ""), false],
  ["a link to nothing", (record: string) => symlinkSync("nowhere", record), false],
  ["in a folder that is none", (record: string) => writeFileSync(dirname(record), ""), true],
] as const) {
  test(`where the record of given keys is ${what}, none are given`, async () => {
    await using root = await freshRoot([]);
    const record = join(root.path, "persist/.nixfleet/keys-given/alice");
    mkdirSync(dirname(said ? dirname(record) : record), { recursive: true });
    damage(record);
    const keys = join(root.path, "persist/home/alice/.keys");
    mkdirSync(keys);
    const { report } = activate(root, { KEYS: "alice /persist/home/alice/.keys" });
    assert.equal(statSync(keys).uid, 0);
    assert.equal(/keeps its owner.*: chown -R alice /.test(report.problems.join()), said);
  });
}

test("keys that are a link, or are not there, are nobody's business", async () => {
  await using root = await freshRoot([]);
  symlinkSync("../../etc", join(root.path, "persist/home/alice/.keys"));
  const { report } = activate(root, { KEYS: "alice /persist/home/alice/.keys" });
  assert.equal(report.outcome, "complete");
  assert.equal(statSync(join(root.path, "persist/etc")).uid, 0);
});

test("an entry that fails costs that entry, is said, and is in the report", async () => {
  await using root = await freshRoot([
    entry("directory", "/var/good", "bind"),
    entry("directory", "/etc/passwd", "bind"),
  ]);
  const { exitCode, report, stderr } = activate(root);
  assert.equal(exitCode, 0);
  assert.equal(report.outcome, "incomplete");
  assert.match(report.problems.join(), /passwd/);
  assert.match(stderr, /nixfleet: .*passwd/s);
  writeFileSync(join(root.path, "var/good/file"), "");
  assert.ok(existsSync(join(root.path, "persist/var/good/file")));
});

test("without the closure's /usr activation fails", async () => {
  await using root = await freshRoot([]);
  await run("rm", ["-r", join(root.path, CLOSURE, "usr")]);
  const { exitCode, report, stderr } = activate(root);
  assert.equal(exitCode, 1);
  assert.equal(report.outcome, "failed");
  assert.match(stderr, /THE ROOT IS NOT ACTIVATED: there is no closure/);
});

test("on a root that stays, what lay at a newly declared path goes to the persist root, once", async () => {
  const entries = [
    entry("directory", "/var/bound", "bind"),
    entry("directory", "/var/linked", "symlink"),
    entry("directory", "/var/before", "bind"),
    entry("file", "/etc/file", "symlink"),
  ];
  await using root = await freshRoot(entries);
  const at = (path: string) => join(root.path, path);
  mkdirSync(at("etc/nixfleet"));
  writeFileSync(at(PLACED_LIST), entriesList(entries.filter(({ path }) => path === "/var/before")));
  for (const path of ["var/bound", "var/linked", "var/before", "persist/var/before"]) {
    mkdirSync(at(path), { recursive: true });
    writeFileSync(at(`${path}/file`), path);
  }
  writeFileSync(at("etc/file"), "etc/file");
  const { report, exitCode } = activate(root);
  assert.equal(exitCode, 0);
  assert.deepEqual(report.carried.toSorted(), ["/etc/file", "/var/bound", "/var/linked"]);
  assert.deepEqual(
    report.problems.toSorted(),
    ["/etc/file", "/var/linked"].map((path) => `${path} was in the way of a link and is now ${path}.before-nixfleet`),
  );
  for (const [path, content] of [
    ["var/bound/file", "var/bound"],
    ["persist/var/linked/file", "var/linked"],
    ["var/linked.before-nixfleet/file", "var/linked"],
    ["persist/etc/file", "etc/file"],
    ["var/before/file", "persist/var/before"],
  ] as const)
    assert.equal(readFileSync(at(path), "utf8"), content);
  assert.equal(readlinkSync(at("var/linked")), "/persist/var/linked");
  for (const path of ["usr", "var/bound", "var/before"]) await run("umount", [at(path)]);
  writeFileSync(at("persist/var/bound/file"), "newer");
  const again = activate(root).report;
  assert.deepEqual([again.carried, again.problems], [[], []]);
  assert.equal(readFileSync(at("var/bound/file"), "utf8"), "newer");
});

test("the number of processes does not grow with the entries", async () => {
  const counts: number[] = [];
  for (const count of [6, 600]) {
    await using root = await freshRoot(
      Array.from({ length: count }, (_, i) =>
        entry(i % 2 ? "file" : "directory", `/etc/entry-${i}`, i % 3 ? "bind" : "symlink"),
      ),
    );
    await borrowUsr(root);
    const { report, processes } = activate(root);
    assert.equal(report.outcome, "complete");
    counts.push(processes);
  }
  const [few = 0, many = 0] = counts;
  assert.ok(few > 5 && many === few, `${few} processes for 6 entries, ${many} for 600`);
});

/** Gives the closure this machine's own programs, for what activation runs on the host's side. */
async function borrowUsr(root: Root): Promise<void> {
  await run("mount", ["--bind", "/usr", join(root.path, CLOSURE, "usr")]);
  for (const name of ["bin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root.path, name));
}
