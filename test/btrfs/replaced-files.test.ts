/** Programs that save by renaming a new file over the old one, on real btrfs, with the real wipe in between. */
import assert from "node:assert/strict";
import {
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/machine/process.ts";
import { ALICE, activate, CLOSURE, entry, writeAccounts, writeClosure } from "./activation-root.ts";
import { CLOSURE_ROOT, type Filesystem, filesystem, names, wipe } from "./wipe-filesystem.ts";

const FILE = "/home/alice/.ssh/known_hosts";

interface Host extends AsyncDisposable {
  readonly disk: Filesystem;
  /** Its root, while it runs. */
  readonly root: string;
  /** Shuts down what runs, wipes, activates. @param change what is done between the two, with the root in place */
  boot(change?: () => void): Promise<{ readonly carried: string[]; readonly problems: string[] }>;
  /** Power is lost after the wipe. */
  wipeOnly(): Promise<void>;
}

async function host(files: readonly string[] = [FILE], megabytes?: number): Promise<Host> {
  const stack = new AsyncDisposableStack();
  const disk = stack.use(await filesystem(megabytes === undefined ? {} : { megabytes, mixed: true }));
  const root = join(disk.scratch, "sysroot");
  mkdirSync(root);
  mkdirSync(join(disk.scratch, "run"));
  const declare = async (paths: readonly string[]) => {
    const entries = paths.map((path) => entry("file", path, "symlink", { user: "alice", group: "alice" }));
    const pristine = join(disk.top, CLOSURE_ROOT);
    writeClosure(dirname(pristine), entries, root);
    await run("btrfs", ["property", "set", "-ts", pristine, "ro", "false"]);
    for (const made of ["etc/nixfleet", "home/alice/.ssh", "usr", "persist", "nix"])
      mkdirSync(join(pristine, made), { recursive: true });
    for (const own of ["home/alice", "home/alice/.ssh"]) chownSync(join(pristine, own), ALICE, ALICE);
    writeAccounts(pristine);
    writeFileSync(join(pristine, "etc/nixfleet/files.list"), readFileSync(join(dirname(pristine), "files.list")));
    await run("btrfs", ["property", "set", "-ts", pristine, "ro", "true"]);
  };
  await declare(files);
  for (const path of ["home/alice/.ssh", "etc"]) mkdirSync(join(disk.top, "@persist", path), { recursive: true });
  let running = false;
  const off = async () => {
    if (running) await run("umount", ["--recursive", root]);
    running = false;
  };
  stack.defer(off);
  const wipeOnly = async () => {
    await off();
    const REPORT = join(disk.scratch, "run/wipe.json");
    rmSync(REPORT, { force: true });
    assert.equal(wipe(disk, { REPORT, PRUNE: "" }).exitCode, 0);
  };
  const all = stack.move();
  return {
    disk,
    root,
    wipeOnly,
    async boot(change = () => {}) {
      await wipeOnly();
      running = true;
      await run("mount", ["-o", "subvol=@root", disk.device, root]);
      await run("mount", ["-o", "subvol=@persist", disk.device, join(root, "persist")]);
      await run("mount", ["-o", "subvol=@nix", disk.device, join(root, "nix")]);
      change();
      const { exitCode, report, stderr } = activate(
        { path: root, scratch: disk.scratch },
        { ROOT_DEVICE: disk.device },
      );
      assert.equal(exitCode, 0, stderr);
      assert.equal(report.closure, CLOSURE);
      return report;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** As a program of the user's saves it: a new file, renamed over the old one. */
function saveByRenaming(on: Host, content: string, path = FILE): void {
  const file = join(on.root, path);
  writeFileSync(`${file}.tmp`, content);
  chownSync(`${file}.tmp`, ALICE, ALICE);
  renameSync(`${file}.tmp`, file);
}

function kept(on: Host, path = FILE): string {
  assert.equal(readlinkSync(join(on.root, path)), `/persist${path}`, "it is a link again");
  return readFileSync(join(on.root, "persist", path), "utf8");
}

const ways: readonly (readonly [way: string, save: (on: Host) => void])[] = [
  ["renaming a new one over it", (on) => saveByRenaming(on, "new")],
  [
    "removing it and making it again",
    (on) => {
      rmSync(join(on.root, FILE));
      writeFileSync(join(on.root, FILE), "new");
    },
  ],
  ["writing through the link", (on) => writeFileSync(join(on.root, "persist", FILE), "new")],
];

for (const [way, save] of ways) {
  test(`a declared file that a program saves by ${way} survives, once and again`, async () => {
    await using on = await host();
    await on.boot();
    for (let boot = 0; boot < 2; boot++) {
      save(on);
      await on.boot();
      assert.equal(kept(on), "new");
      writeFileSync(join(on.root, "persist", FILE), "old");
    }
  });
}

test("it keeps its owner, and what saves it again is not undone by what saved it before", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "first");
  assert.deepEqual((await on.boot()).carried, [FILE]);
  assert.equal(statSync(join(on.root, "persist", FILE)).uid, ALICE);
  writeFileSync(join(on.root, "persist", FILE), "second");
  for (let boot = 0; boot < 3; boot++) {
    assert.deepEqual((await on.boot()).carried, []);
    assert.equal(kept(on), "second");
  }
});

test("what somebody puts beside the old roots is not carried over what was saved since", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "first");
  await on.boot();
  writeFileSync(join(on.root, "persist", FILE), "second");
  await on.boot(() => {
    const [saved = ""] = names(on.disk, "old_roots").slice(-2); // by the boot before this one and the last
    const folder = join(on.disk.top, "old_roots");
    assert.equal(readFileSync(join(folder, saved, FILE), "utf8"), "first");
    for (const name of [`${saved}.mine`, "9backupZ"])
      cpSync(join(folder, saved), join(folder, name), { recursive: true });
  });
  assert.equal(kept(on), "second");
  saveByRenaming(on, "third");
  await on.boot();
  assert.equal(kept(on), "third");
});

test("it survives power that is lost after the wipe, as often as it is", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "new");
  await on.wipeOnly();
  await on.wipeOnly();
  await on.boot();
  assert.equal(kept(on), "new");
});

test("the newest of several that wait is kept", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "older");
  await on.wipeOnly();
  await run("mount", ["-o", "subvol=@root", on.disk.device, on.root]);
  mkdirSync(join(on.root, "home/alice/.ssh"), { recursive: true });
  writeFileSync(join(on.root, FILE), "newer");
  await run("umount", [on.root]);
  await on.boot();
  assert.equal(kept(on), "newer");
});

test("where what was gone through is not known, only what the last boot left is looked at", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "first");
  await on.boot();
  writeFileSync(join(on.root, "persist", FILE), "second");
  rmSync(join(on.root, "persist/.nixfleet"), { recursive: true });
  await on.boot();
  assert.equal(kept(on), "second");
  saveByRenaming(on, "third");
  rmSync(join(on.root, "persist/.nixfleet"), { recursive: true });
  await on.boot();
  assert.equal(kept(on), "third");
});

test("a clock that went back loses nothing", async () => {
  await using on = await host();
  await on.boot();
  writeFileSync(join(on.root, "persist/.nixfleet/carried"), "29991231T235959.000Z\n");
  saveByRenaming(on, "new");
  await on.boot();
  assert.equal(kept(on), "new");
});

test("what was persisted goes before what lay at a path that was not declared then", async () => {
  await using on = await host();
  await on.boot();
  rmSync(join(on.root, "etc/nixfleet/files.list"));
  saveByRenaming(on, "undeclared");
  writeFileSync(join(on.root, "persist", FILE), "persisted");
  await on.boot();
  assert.equal(kept(on), "persisted");
});

test("a full disk is said, and the file is still in the old root", async () => {
  await using on = await host([FILE], 24);
  await on.boot();
  saveByRenaming(on, "n".repeat(300_000));
  const { problems } = await on.boot(() => {
    try {
      for (let i = 0; i < 4000; i++) writeFileSync(join(on.root, `persist/fill-${i}`), Buffer.alloc(64 * 1024, i));
    } catch {}
  });
  const [retired = ""] = names(on.disk, "old_roots").slice(-1);
  const old = readFileSync(join(on.disk.top, "old_roots", retired, FILE), "utf8");
  assert.equal(old.length, 300_000);
  if (existsSync(join(on.root, "persist", FILE))) assert.equal(kept(on), old);
  else assert.match(problems.join(), new RegExp(`known_hosts was replaced .*old_roots/${retired}`));
});

test("a hostile user's links, pipes and folders lead nowhere", async () => {
  const files = ["a", "b", "c", "d", "e"].map((name) => `/home/alice/${name}/file`);
  await using on = await host(files);
  await on.boot();
  const home = join(on.root, "home/alice");
  writeFileSync(join(on.root, "etc/secret"), "secret", { mode: 0o600 });
  for (const name of ["a", "c", "d", "e"]) mkdirSync(join(on.root, "persist/home/alice", name));
  mkdirSync(join(on.root, "persist/etc/x"));
  writeFileSync(join(on.root, "persist/etc/x/file"), "root's");
  const again = (name: string) => {
    rmSync(join(home, name), { recursive: true });
    mkdirSync(join(home, name));
  };
  // A folder that leads to another, on the old root.
  rmSync(join(home, "a"), { recursive: true });
  mkdirSync(join(on.root, "etc/elsewhere"));
  writeFileSync(join(on.root, "etc/elsewhere/file"), "not hers");
  symlinkSync("../../etc/elsewhere", join(home, "a"));
  // A folder that leads to another, on the persist root.
  again("b");
  writeFileSync(join(home, "b/file"), "hers");
  symlinkSync("../../etc/x", join(on.root, "persist/home/alice/b"));
  // A link, a pipe, and another name of a file of root's.
  again("c");
  symlinkSync("/etc/secret", join(home, "c/file"));
  again("d");
  await run("mkfifo", [join(home, "d/file")]);
  again("e");
  linkSync(join(on.root, "etc/secret"), join(home, "e/file"));
  const { problems } = await on.boot();
  const data = join(on.root, "persist/home/alice");
  assert.ok(!existsSync(join(data, "a/file")));
  assert.equal(readFileSync(join(on.root, "persist/etc/x/file"), "utf8"), "root's");
  assert.ok(!existsSync(join(data, "c/file")) && !existsSync(join(data, "d/file")));
  const copy = lstatSync(join(data, "e/file"));
  assert.deepEqual([copy.uid, copy.mode & 0o777], [0, 0o600], "what was root's to read still is");
  assert.match(problems.join("\n"), /\/a\/file was replaced/);
  assert.match(problems.join("\n"), /\/b\/file was replaced/);
});
