/** Programs that save by renaming a new file over the old one, on real btrfs, with the real wipe in between. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
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
import { run } from "../../src/local/process.ts";
import { loopDevice } from "../../src/local/resources.ts";
import { foldersAbove } from "../../src/paths.ts";
import { entriesList, FRESH_MARK, PLACED_LIST, UNSETTLED_MARK } from "../../src/plan/activation.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { ALICE, activate, CLOSURE, entry, parent, writeAccounts, writeClosure } from "./activation-root.ts";
import { CLOSURE_ROOT, type Filesystem, filesystem, names, wipe } from "./wipe-filesystem.ts";

const FILE = "/home/alice/.ssh/known_hosts";

interface Host extends AsyncDisposable {
  readonly disk: Filesystem;
  /** Its root, while it runs. */
  readonly root: string;
  /** What the next boot's closure declares. */
  declare(entries: readonly PersistenceEntry[]): Promise<void>;
  /** Shuts down what runs, wipes, activates. @param change what is done between the two, with the root in place */
  boot(
    change?: () => void,
  ): Promise<{ readonly carried: readonly string[]; readonly problems: readonly string[]; readonly processes: number }>;
  /** Power is lost after the wipe. */
  wipeOnly(): Promise<void>;
}

const files = (...paths: readonly string[]) =>
  paths.map((path) => entry("file", path, "symlink", { user: "alice", group: "alice" }));

interface Sizes {
  /** Of a small filesystem. */
  readonly megabytes?: number;
  /** Of a persist root that is a filesystem of its own, an ext4. */
  readonly persist?: number;
}

async function host(
  entries: readonly PersistenceEntry[] = files(FILE),
  { megabytes, persist }: Sizes = {},
): Promise<Host> {
  const stack = new AsyncDisposableStack();
  const disk = stack.use(await filesystem(megabytes === undefined ? {} : { megabytes, mixed: true }));
  const persistRoot = ["-o", "subvol=@persist", disk.device];
  if (persist !== undefined) {
    const image = join(disk.scratch, "persist.img");
    await run("truncate", ["--size", `${persist}M`, image]);
    await run("mkfs.ext4", ["-q", image]);
    persistRoot.splice(0, 3, stack.use(await loopDevice(image)).device);
  }
  const root = join(disk.scratch, "sysroot");
  mkdirSync(root);
  mkdirSync(join(disk.scratch, "run"));
  const pristine = join(disk.top, CLOSURE_ROOT);
  const declare = async (declared: readonly PersistenceEntry[]) => {
    const above = new Set(declared.flatMap(({ path }) => foldersAbove(path)));
    const parents = [...above].map((path) => parent(path, path.startsWith("/home/alice") ? "alice" : "root"));
    writeClosure(dirname(pristine), declared, root, parents);
    await run("btrfs", ["property", "set", "-ts", pristine, "ro", "false"]);
    for (const made of ["etc/nixfleet", "home/alice/.ssh", "usr", "persist", "nix", "srv"])
      mkdirSync(join(pristine, made), { recursive: true });
    for (const own of ["home/alice", "home/alice/.ssh"]) chownSync(join(pristine, own), ALICE, ALICE);
    writeAccounts(pristine);
    writeFileSync(join(pristine, PLACED_LIST), entriesList(declared));
    for (const mark of [FRESH_MARK, UNSETTLED_MARK]) writeFileSync(join(pristine, mark), "");
    await run("btrfs", ["property", "set", "-ts", pristine, "ro", "true"]);
  };
  await declare(entries);
  for (const path of ["home/alice/.ssh", "etc"]) mkdirSync(join(disk.top, "@persist", path), { recursive: true });
  let running = false;
  const off = async () => {
    if (running) await run("umount", ["--recursive", root]);
    running = false;
  };
  stack.defer(off);
  const wipeOnly = async () => {
    await off();
    const REPORT = join(disk.scratch, "run/wipe.report");
    rmSync(REPORT, { force: true });
    assert.equal(wipe(disk, { REPORT, PRUNE: "" }).exitCode, 0);
  };
  const all = stack.move();
  return {
    disk,
    root,
    declare,
    wipeOnly,
    async boot(change = () => {}) {
      await wipeOnly();
      running = true;
      await run("mount", ["-o", "subvol=@root", disk.device, root]);
      await run("mount", [...persistRoot, join(root, "persist")]);
      await run("mount", ["-o", "subvol=@nix", disk.device, join(root, "nix")]);
      change();
      const { exitCode, report, stderr, processes } = activate(
        { path: root, scratch: disk.scratch },
        { ROOT_DEVICE: disk.device },
      );
      assert.equal(exitCode, 0, stderr);
      assert.equal(report.closure, CLOSURE);
      return { ...report, processes };
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

test("a root that its activation was not through with is none that held anything", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "new");
  await on.wipeOnly();
  const fresh = join(on.disk.top, "@root");
  mkdirSync(join(fresh, "home/alice/.ssh"), { recursive: true });
  writeFileSync(join(fresh, FILE), "shipped");
  await on.boot();
  assert.equal(kept(on), "new");
});

test("a root that has run is through with those before it, also where the wipe failed and it runs again", async () => {
  await using on = await host();
  await on.boot();
  saveByRenaming(on, "first");
  await on.boot();
  writeFileSync(join(on.root, "persist", FILE), "second");
  await run("umount", ["--recursive", on.root]);
  await run("mount", ["-o", "subvol=@root", on.disk.device, on.root]);
  for (const name of ["persist", "nix"])
    await run("mount", ["-o", `subvol=@${name}`, on.disk.device, join(on.root, name)]);
  const { report } = activate({ path: on.root, scratch: on.disk.scratch }, { ROOT_DEVICE: on.disk.device });
  assert.deepEqual(report.carried, []);
  assert.equal(kept(on), "second");
});

test("what was persisted goes before what lay at a path that was not declared then", async () => {
  await using on = await host();
  await on.boot();
  writeFileSync(join(on.root, PLACED_LIST), "");
  saveByRenaming(on, "undeclared");
  writeFileSync(join(on.root, "persist", FILE), "persisted");
  await on.boot();
  assert.equal(kept(on), "persisted");
});

const MEGABYTE = 1 << 20;

/** @param bytes by default all that can be written */
function fill(on: Host, bytes = 256 * MEGABYTE): void {
  try {
    for (let i = 0; i * 65536 < bytes; i++) writeFileSync(join(on.root, `persist/fill-${i}`), Buffer.alloc(65536, i));
  } catch {}
}

function empty(on: Host): void {
  for (const name of readdirSync(join(on.root, "persist")).filter((one) => one.startsWith("fill-")))
    rmSync(join(on.root, "persist", name));
}

test("what a full disk keeps back is said with its place, and is tried again at the next boot", async () => {
  await using on = await host(files(FILE), { persist: 32 });
  await on.boot();
  writeFileSync(join(on.root, "persist", FILE), "old");
  saveByRenaming(on, "n".repeat(8 * MEGABYTE));
  mkdirSync(join(on.root, "srv/data"));
  writeFileSync(join(on.root, "srv/data/file"), "d".repeat(8 * MEGABYTE));
  await on.declare([...files(FILE), entry("directory", "/srv/data", "bind")]);
  const { problems, carried } = await on.boot(() => fill(on, 22 * MEGABYTE));
  const [retired = ""] = names(on.disk, "old_roots").slice(-1);
  assert.deepEqual(carried, []);
  for (const path of [FILE, "/srv/data"])
    assert.match(
      problems.join("\n"),
      new RegExp(`${path}: [^]*stays in old_roots/${retired}${path}, and the next boot tries again`),
    );
  assert.equal(kept(on), "old");
  empty(on);
  const second = await on.boot();
  assert.deepEqual(second.problems, []);
  assert.deepEqual(second.carried.toSorted(), [FILE, "/srv/data"]);
  assert.equal(kept(on).length, 8 * MEGABYTE);
  assert.equal(readFileSync(join(on.root, "srv/data/file"), "utf8").length, 8 * MEGABYTE);
  writeFileSync(join(on.root, "persist", FILE), "newer");
  assert.deepEqual((await on.boot()).carried, []);
  assert.equal(kept(on), "newer");
});

test("what could not be carried over does not replace what was written since, and that is said", async () => {
  await using on = await host(files(FILE), { persist: 32 });
  await on.boot();
  saveByRenaming(on, "n".repeat(8 * MEGABYTE));
  mkdirSync(join(on.root, "srv/data"));
  writeFileSync(join(on.root, "srv/data/file"), "d".repeat(8 * MEGABYTE));
  await on.declare([...files(FILE), entry("directory", "/srv/data", "bind")]);
  await on.boot(() => fill(on, 22 * MEGABYTE));
  empty(on);
  writeFileSync(join(on.root, "persist", FILE), "newer");
  writeFileSync(join(on.root, "srv/data/other"), "newer");
  const { problems, carried } = await on.boot();
  assert.deepEqual(carried, []);
  for (const path of [FILE, "/srv/data"])
    assert.match(problems.join("\n"), new RegExp(`${path} was not carried over, and has new data since`));
  assert.equal(kept(on), "newer");
  assert.deepEqual(readdirSync(join(on.root, "srv/data")), ["other"]);
  assert.deepEqual((await on.boot()).problems, []);
});

test("where not even a record can be written, the next boot fills what is still empty, and replaces nothing", async () => {
  await using on = await host(files(FILE, "/home/alice/other"), { megabytes: 24 });
  await on.boot();
  writeFileSync(join(on.root, "persist", FILE), "old");
  saveByRenaming(on, "n".repeat(300_000));
  saveByRenaming(on, "o".repeat(300_000), "/home/alice/other");
  const { problems } = await on.boot(() => fill(on));
  assert.match(problems.join("\n"), /cannot write \S+uncarried/);
  empty(on);
  writeFileSync(join(on.root, "persist", FILE), "newer");
  const second = await on.boot();
  assert.deepEqual(second.carried, ["/home/alice/other"]);
  assert.equal(kept(on), "newer");
  assert.match(second.problems.join("\n"), /known_hosts .* the data of the last root is in old_roots/);
  assert.deepEqual((await on.boot()).problems, []);
});

for (const [what, record] of [
  ["empty", ""],
  ["truncated", "20261123T000312.000Z\tfree\treplace\tfile\t/persist"],
  ["without its end", `20261123T000312.000Z\tfree\treplace\tfile\t/persist\t${FILE}\n`],
  ["odd", "../../@persist\tfree\treplace\tfile\t/persist\t/etc/x\nend\n"],
] as const) {
  test(`a record that is ${what} is said, and carries nothing over`, async () => {
    await using on = await host();
    await on.boot();
    saveByRenaming(on, "first");
    await on.boot();
    writeFileSync(join(on.root, "persist", FILE), "second");
    mkdirSync(join(on.root, "persist/.nixfleet"), { recursive: true });
    writeFileSync(join(on.root, "persist/.nixfleet/uncarried"), record);
    const { problems, carried } = await on.boot();
    assert.match(problems.join(), /uncarried is damaged/);
    assert.deepEqual(carried, []);
    assert.equal(kept(on), "second");
    assert.deepEqual((await on.boot()).problems, []);
  });
}

test("what lay at a path that is newly declared is on the persist root and in its place, as it was", async () => {
  await using on = await host(files(FILE));
  const declared = [
    entry("directory", "/srv/bound", "bind"),
    entry("directory", "/srv/linked", "symlink"),
    entry("directory", "/home/alice/deep/er", "bind", { user: "alice", group: "alice" }),
    entry("file", "/srv/bound.conf", "bind"),
    entry("file", "/srv/linked.conf", "symlink"),
    entry("file", "/home/alice/link", "symlink"),
    entry("directory", "/srv/absent", "bind"),
  ];
  await on.boot();
  const at = (path: string) => join(on.root, path);
  for (const path of ["/srv/bound", "/srv/linked", "/home/alice/deep/er"]) {
    mkdirSync(join(at(path), "sub/.hidden"), { recursive: true });
    writeFileSync(join(at(path), "sub/file"), path);
    linkSync(join(at(path), "sub/file"), join(at(path), "second"));
    symlinkSync("sub/file", join(at(path), "link"));
    chownSync(at(path), ALICE, 4);
    chmodSync(at(path), 0o2751);
  }
  for (const path of ["/srv/bound.conf", "/srv/linked.conf"]) writeFileSync(at(path), path, { mode: 0o600 });
  symlinkSync("dotfiles/it", at("/home/alice/link"));
  const tree = async (top: string) => {
    const paths = [
      "srv/bound",
      "srv/linked",
      "home/alice/deep/er",
      "srv/bound.conf",
      "srv/linked.conf",
      "home/alice/link",
    ];
    return run("find", [...paths, "-printf", "%p %y %m %U %G %n %l %T@\n"], { cwd: top });
  };
  const original = await tree(on.root);
  await on.declare([...files(FILE), ...declared]);
  const { carried, problems } = await on.boot();
  assert.deepEqual(problems, []);
  assert.deepEqual(
    carried.toSorted(),
    declared
      .map(({ path }) => path)
      .filter((path) => path !== "/srv/absent")
      .toSorted(),
  );
  assert.equal(await tree(join(on.root, "persist")), original);
  assert.equal(readFileSync(at("/srv/bound/second"), "utf8"), "/srv/bound");
  assert.equal(readlinkSync(at("/srv/linked")), "/persist/srv/linked");
  assert.deepEqual(readdirSync(at("persist/srv")).toSorted(), [
    "absent",
    "bound",
    "bound.conf",
    "linked",
    "linked.conf",
  ]);
  const again = await on.boot();
  assert.deepEqual([again.carried, again.problems], [[], []]);
});

test("an entry around persisted ones takes the rest; theirs stays, and the folder is as it was in use", async () => {
  const inner = [
    entry("directory", "/srv/app/data", "bind"),
    entry("directory", "/srv/app/deep/er", "bind"),
    entry("file", "/srv/app/conf", "symlink"),
    entry("file", "/srv/app/replaced", "symlink"),
  ];
  await using on = await host(inner);
  await on.boot();
  const app = join(on.root, "srv/app");
  for (const path of ["data/x", "deep/er/x", "other", ".hidden", "deep/more"]) writeFileSync(join(app, path), path);
  writeFileSync(join(on.root, "persist/srv/app/conf"), "conf");
  saveByRenaming(on, "replaced", "/srv/app/replaced");
  chownSync(app, ALICE, 4);
  chmodSync(app, 0o2750);
  const { ino } = statSync(join(app, "data/x"));
  await on.declare([entry("directory", "/srv/app", "bind")]);
  const { carried, problems } = await on.boot();
  assert.deepEqual([carried, problems], [["/srv/app"], []]);
  for (const path of ["data/x", "deep/er/x", "other", ".hidden", "deep/more", "conf", "replaced"])
    assert.equal(readFileSync(join(app, path), "utf8"), path);
  assert.equal(statSync(join(app, "data/x")).ino, ino);
  const { uid, gid, mode } = statSync(app);
  assert.deepEqual([uid, gid, mode & 0o7777], [ALICE, 4, 0o2750]);
  assert.ok(!existsSync(join(on.root, "persist/.nixfleet/uncarried")));
});

test("where the persist root has other data for a newly declared path, that is shown, and where the other is, said", async () => {
  await using on = await host(files(FILE));
  await on.boot();
  for (const [folder, name] of [
    [on.root, "new"],
    [join(on.root, "persist"), "old"],
  ] as const) {
    mkdirSync(join(folder, "srv/data"), { recursive: true });
    writeFileSync(join(folder, "srv/data", name), "");
  }
  await on.declare([entry("directory", "/srv/data", "bind")]);
  const { carried, problems } = await on.boot();
  assert.deepEqual(carried, []);
  assert.match(
    problems.join(),
    /\/srv\/data is newly declared, and the persist root already has data .*old_roots\/.*\/srv\/data$/,
  );
  assert.deepEqual(readdirSync(join(on.root, "srv/data")), ["old"]);
  assert.deepEqual((await on.boot()).problems, []);
});

const REPLACED: readonly (readonly [
  what: string,
  kind: "file" | "directory",
  replace: (path: string) => void,
  said: RegExp | null,
])[] = [
  ["a file that became a link", "file", (path) => symlinkSync("elsewhere", path), null],
  [
    "a file that became a folder",
    "file",
    (path) => mkdirSync(join(path, "x"), { recursive: true }),
    /was something else/,
  ],
  ["a folder that became a link", "directory", (path) => symlinkSync("elsewhere", path), /was something else/],
  ["a folder that became a file", "directory", (path) => writeFileSync(path, "x"), /was something else/],
  [
    "a folder that became a real one",
    "directory",
    (path) => mkdirSync(join(path, "x"), { recursive: true }),
    /another directory/,
  ],
];

for (const [what, kind, replace, said] of REPLACED) {
  test(`${what} is ${said === null ? "carried over" : "said, with where it is"}`, async () => {
    const path = "/srv/declared";
    await using on = await host([entry(kind, path, "symlink")]);
    await on.boot();
    const persisted = join(on.root, "persist", path);
    if (kind === "file") writeFileSync(persisted, "old");
    else writeFileSync(join(persisted, "old"), "old");
    rmSync(join(on.root, path));
    replace(join(on.root, path));
    const { carried, problems } = await on.boot();
    assert.equal(readlinkSync(join(on.root, path)), `/persist${path}`);
    if (said === null) {
      assert.deepEqual([carried, problems], [[path], []]);
      assert.equal(readlinkSync(persisted), "elsewhere");
    } else {
      assert.match(problems.join(), said);
      const [, where = ""] = / (old_roots\/\S+)$/.exec(problems.join()) ?? [];
      assert.ok(lstatSync(join(on.disk.top, where)), where);
      assert.ok(existsSync(kind === "file" ? persisted : join(persisted, "old")));
    }
    assert.deepEqual((await on.boot()).problems, []);
  });
}

const SERVICE = { user: "alice", group: "alice" };

for (const [where, later] of [
  ["around it", [entry("directory", "/srv/web", "bind", SERVICE)]],
  [
    "beside it",
    [
      entry("directory", "/srv/web/out", "bind", SERVICE),
      entry("file", "/srv/web/file", "symlink", SERVICE),
      entry("directory", "/srv/web/real", "bind", SERVICE),
      entry("directory", "/srv/web/data", "symlink", SERVICE),
    ],
  ],
] as const) {
  test(`a service with links wherever it may leads nothing out of its folder, where an entry is declared ${where}`, async () => {
    await using on = await host([entry("directory", "/srv/web/state", "bind", SERVICE)]);
    await on.boot();
    chmodSync(on.disk.scratch, 0o755);
    mkdirSync(join(on.root, "persist/secrets"));
    writeFileSync(join(on.root, "persist/secrets/file"), "root's", { mode: 0o600 });
    const [running = "", persisted = ""] = ["srv/web", "persist/srv/web"].map((path) => join(on.root, path));
    for (const folder of [running, persisted]) {
      chownSync(folder, ALICE, ALICE);
      const planted = `cd ${folder}; ln -s ../../secrets out; ln -s /persist/secrets/file file; ln -s ../../persist/secrets .nixfleet-carrying`;
      const more =
        folder === running
          ? "mkdir real data; echo hers >real/file; echo hers >data/file; ln -s ../../secrets data/link"
          : "ln -s ../../secrets real; mkdir data; ln -s ../../../secrets/file data/file; rm -r state; ln -s ../../secrets state";
      await run("setpriv", [
        `--reuid=${ALICE}`,
        `--regid=${ALICE}`,
        "--clear-groups",
        "sh",
        "-euc",
        `${planted}; ${more}`,
      ]);
    }
    const outside = () =>
      run("stat", ["-c", "%n %U %G %a", "persist/secrets", "persist/secrets/file", "persist/srv", "etc"], {
        cwd: on.root,
      });
    const original = await outside();
    await on.declare(later);
    await on.boot();
    assert.equal(await outside(), original);
    assert.deepEqual(readdirSync(join(on.root, "persist/secrets")), ["file"]);
    assert.equal(readFileSync(join(on.root, "persist/secrets/file"), "utf8"), "root's");
  });
}

test("where nothing is to be carried over, the number of processes does not grow with the entries", async () => {
  const counts: number[] = [];
  for (const count of [8, 400]) {
    const some = Array.from({ length: count }, (_, i) =>
      entry(i % 2 ? "file" : "directory", `/srv/entry-${i}`, i % 4 < 2 ? "bind" : "symlink"),
    );
    await using on = await host(some);
    await on.boot();
    counts.push((await on.boot()).processes);
  }
  assert.equal(counts[0], counts[1]);
});

test("a hostile user's links, pipes and folders lead nowhere", async () => {
  await using on = await host(files(...["a", "b", "c", "d", "e"].map((name) => `/home/alice/${name}/file`)));
  await on.boot();
  const home = join(on.root, "home/alice");
  writeFileSync(join(on.root, "etc/secret"), "secret", { mode: 0o600 });
  rmSync(join(on.root, "persist/home/alice/b"), { recursive: true });
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
  assert.equal(readlinkSync(join(data, "c/file")), "/etc/secret", "a link stays one");
  assert.ok(!existsSync(join(data, "d/file")));
  const copy = lstatSync(join(data, "e/file"));
  assert.deepEqual([copy.uid, copy.mode & 0o777], [0, 0o600], "what was root's to read still is");
  assert.match(problems.join("\n"), /\/a\/file is not carried over, because a folder above it is a link/);
  assert.match(problems.join("\n"), /cannot carry over \S+\/b\/file/);
});
