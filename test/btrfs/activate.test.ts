import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scriptParameters, WIPE_SCRIPT } from "../../src/initrd/files.ts";
import { run } from "../../src/machine/process.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { autoList, bindFstab, SYSROOT, tmpfilesConfig } from "../../src/plan/activation.ts";
import type { PersistenceEntry } from "../../src/plan/persistence.ts";

const CLOSURE = "/nix/store/abc-nixfleet-test";
const ALICE = 1234;

interface Root extends AsyncDisposable {
  /** What a boot has at /sysroot. */
  readonly path: string;
  readonly scratch: string;
}

/** A root with a closure and a persist root that hold what activation reads. */
async function freshRoot(entries: readonly PersistenceEntry[]): Promise<Root> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const path = join(folder.path, "sysroot");
  mkdirSync(path);
  await run("mount", ["-t", "tmpfs", "tmpfs", path]);
  stack.defer(() => run("umount", ["--recursive", path]).then(() => {}));
  for (const made of ["etc", "home", "usr", "persist/etc", `persist/home/alice`, `${CLOSURE}/usr/bin`]) {
    mkdirSync(join(path, made), { recursive: true });
  }
  chownSync(join(path, "persist/home/alice"), ALICE, ALICE);
  writeFileSync(
    join(path, "etc/passwd"),
    `root:x:0:0::/root:/bin/sh\nalice:x:${ALICE}:${ALICE}::/home/alice:/bin/sh\n`,
  );
  writeFileSync(join(path, "etc/group"), `root:x:0:\nalice:x:${ALICE}:\n`);
  const plan = {
    entries,
    parents: [{ path: "/var", user: "root", group: "root", mode: "0755", ensured: false }],
    keys: [],
  };
  const closure = join(path, CLOSURE);
  // The renderers say where the initrd has the root; here it is elsewhere.
  const here = (text: string) => text.replaceAll(`${SYSROOT}/`, `${path}/`);
  writeFileSync(join(closure, "tmpfiles.conf"), tmpfilesConfig(plan));
  writeFileSync(join(closure, "fstab"), here(bindFstab(plan)));
  writeFileSync(join(closure, "files.list"), here(autoList(plan)));
  const all = stack.move();
  return { path, scratch: folder.path, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function entry(kind: "directory" | "file", path: string, how: PersistenceEntry["how"]): PersistenceEntry {
  return {
    kind,
    path,
    how,
    source: `/persist${path}`,
    persistRoot: "/persist",
    user: "root",
    group: "root",
    mode: kind === "file" ? "0644" : "0755",
    asShipped: false,
    mountOptions: [],
    purpose: "",
    declaredAt: [],
  };
}

function activate(root: Root, parameters: { MACHINE_ID?: string; KEYS?: string } = {}) {
  const conf = join(root.scratch, "activate.conf");
  const report = join(root.scratch, "run/activation.json");
  writeFileSync(conf, scriptParameters({ MACHINE_ID: "", KEYS: "", REPORT: report, ...parameters }));
  const script = join(WIPE_SCRIPT, "../activate.sh");
  // In a process namespace of its own the last number is that of the processes there were.
  const command = `/bin/sh "$@"; status=$?; /bin/sh -c 'echo $$'; exit "$status"`;
  const argv = ["--pid", "--fork", "/bin/sh", "-c", command, "sh", script, root.path, CLOSURE, conf];
  const { status, stdout, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  return { exitCode: status, stderr, processes: Number(stdout), report: JSON.parse(readFileSync(report, "utf8")) };
}

test("/usr is the closure's and read-only, folders are bound, links lead to the persist root", async () => {
  await using root = await freshRoot([
    entry("directory", '/var/a %h "quoted" \\ folder', "bind"),
    entry("directory", "/var/linked", "symlink"),
  ]);
  const { exitCode, report, stderr } = activate(root);
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(report, { outcome: "complete", closure: CLOSURE, problems: [] });
  assert.throws(() => writeFileSync(join(root.path, "usr/bin/file"), ""), /EROFS/);
  writeFileSync(join(root.path, 'var/a %h "quoted" \\ folder/file'), "kept");
  assert.equal(readFileSync(join(root.path, 'persist/var/a %h "quoted" \\ folder/file'), "utf8"), "kept");
  assert.equal(readlinkSync(join(root.path, "var/linked")), "/persist/var/linked");
});

test("a file is bound when it exists and linked when it does not yet, whatever its name", async () => {
  const odd = '/etc/an "odd" 100%n \\ name';
  await using root = await freshRoot([
    entry("file", odd, "auto"),
    entry("file", `${odd} to come `, "auto"),
    entry("file", "/etc/is-a-folder", "auto"),
    entry("file", "/etc/is-a-link", "auto"),
  ]);
  writeFileSync(join(root.path, "persist", odd), "here");
  mkdirSync(join(root.path, "persist/etc/is-a-folder"));
  symlinkSync("/etc/shadow", join(root.path, "persist/etc/is-a-link"));
  const { exitCode, report } = activate(root);
  assert.equal(exitCode, 0);
  writeFileSync(join(root.path, odd), "changed");
  assert.equal(readFileSync(join(root.path, "persist", odd), "utf8"), "changed");
  assert.equal(readlinkSync(join(root.path, `${odd} to come `)), `/persist${odd} to come `);
  assert.equal(report.outcome, "incomplete");
  assert.equal(report.problems.length, 2);
  assert.ok(!existsSync(join(root.path, "etc/is-a-link")));
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
    await using root = await freshRoot([entry("file", "/etc/machine-id", "auto")]);
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
  assert.match(report.problems.join(), /several names: .*stolen/);
});

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

test("the number of processes does not grow with the entries", async () => {
  const counts: number[] = [];
  for (const count of [2, 200]) {
    await using root = await freshRoot(
      Array.from({ length: count }, (_, i) => entry("file", `/etc/file-${i}`, "auto")),
    );
    for (let i = 0; i < count; i += 2) writeFileSync(join(root.path, `persist/etc/file-${i}`), "");
    const { report, processes } = activate(root);
    assert.equal(report.outcome, "complete");
    counts.push(processes);
  }
  const [few = 0, many = 0] = counts;
  assert.ok(few > 5 && many === few, `${few} processes for 2 entries, ${many} for 200`);
});
