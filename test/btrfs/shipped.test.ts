/** What packages ship at and below entries, from the closure's list to the persist root, by activation itself. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shippedList } from "../../src/closure/tree/shipped.ts";
import { withShippedOwners } from "../../src/closure/tree/shipped-owners.ts";
import { UserError } from "../../src/errors.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { bindFstab, SYSROOT, tmpfilesConfig } from "../../src/plan/activation.ts";
import type { FilePlan } from "../../src/plan/file-plan.ts";
import type { PersistenceEntry, PersistencePlan } from "../../src/plan/persistence-plan.ts";
import { entryAt } from "../entry.ts";
import { activationReport } from "../reports.ts";

const CLOSURE = "/nix/store/abc-nixfleet-test";
const PACKAGES = "/nix/store/abc-debian-trixie";
const WEB = 950;
const ALICE = 1234;
const ODD = 'an "odd" 100%n \\ [a-z]* name?';

const PARENTS = ["/home", "/var", "/var/lib", "/var/log"].map((path) => ({
  path,
  user: "root",
  group: "root",
  mode: "0755",
  assumed: [],
  on: ["", "/persist"],
  ensured: false,
  closed: false,
  fromSkeleton: false,
}));

function entry(path: string, rest: Partial<PersistenceEntry> = {}): PersistenceEntry {
  return entryAt(path, { assumed: ["user", "group", "mode"], declaredAt: ["fleet.ts:1"], ...rest });
}

/** A host's root whose packages ship a web server, mounted at `path`, and the persist root `path`/persist. */
async function scene(persistSize = "64M") {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const path = join(folder.path, "sysroot");
  mkdirSync(path);
  await run("mount", ["-t", "tmpfs", "tmpfs", path]);
  stack.defer(() => run("umount", ["--recursive", path]).then(() => {}));
  const packageFolder = join(path, PACKAGES);
  const root = join(path, CLOSURE, "root");
  mkdirSync(join(path, CLOSURE, "usr"), { recursive: true });
  mkdirSync(join(path, "persist"));
  await run("mount", ["-t", "tmpfs", "-o", `size=${persistSize}`, "tmpfs", join(path, "persist")]);
  const ship = (name: string, content: string | null, [uid, gid, mode]: readonly [number, number, number]) => {
    if (content === null) mkdirSync(join(packageFolder, name), { recursive: true });
    else writeFileSync(join(packageFolder, name), content);
    chownSync(join(packageFolder, name), uid, gid);
    chmodSync(join(packageFolder, name), mode);
  };
  ship("etc", null, [0, 0, 0o755]);
  ship(
    "etc/passwd",
    `root:x:0:0::/root:\nweb:x:${WEB}:${WEB}::/:\nalice:x:${ALICE}:${ALICE}::/home/alice:\n`,
    [0, 0, 0o644],
  );
  ship("etc/group", `root:x:0:\nweb:x:${WEB}:\nadm:x:4:\nalice:x:${ALICE}:\n`, [0, 0, 0o644]);
  ship("etc/web.conf", "shipped", [0, WEB, 0o640]);
  ship("var/log/web", null, [WEB, 4, 0o2750]);
  ship("var/lib/web", null, [WEB, WEB, 0o700]);
  ship("var/lib/web/data", "x".repeat(100_000), [WEB, WEB, 0o600]);
  ship(`var/lib/web/${ODD}`, null, [WEB, WEB, 0o755]);
  ship(`var/lib/web/${ODD}/${ODD}`, "odd", [0, 0, 0o644]);
  symlinkSync(`../%h/${ODD} `, join(packageFolder, "var/lib/web/link"));
  const refresh = () => {
    rmSync(root, { recursive: true, force: true });
    cpSync(packageFolder, root, { recursive: true, verbatimSymlinks: true });
    spawnSync("cp", ["-a", "--", `${packageFolder}/.`, root]);
  };
  refresh();
  const all = stack.move();
  return {
    path,
    root,
    ship,
    refresh,
    scratch: folder.path,
    persist: (name: string) => join(path, "persist", name),
    plan: (...entries: PersistenceEntry[]): PersistencePlan => ({
      persistRoot: "/persist",
      roots: [],
      entries,
      parents: PARENTS,
      ephemeral: [],
      keys: [],
    }),
    /** What a boot does: a new root, the closure's files, activation; then all that was mounted is unmounted. */
    boot(declared: PersistencePlan, path?: string, files: readonly FilePlan[] = [], mounted: readonly string[] = []) {
      const plan = withShippedOwners(declared, root, files);
      const closure = join(this.path, CLOSURE);
      for (const name of ["etc", "var", "home"]) {
        rmSync(join(this.path, name), { recursive: true, force: true });
        spawnSync("cp", ["-a", "--", join(root, name), this.path]);
      }
      writeFileSync(
        join(closure, "shipped.list"),
        shippedList(plan, files, { root, packageFolder, packages: PACKAGES }, mounted),
      );
      writeFileSync(join(closure, "tmpfiles.conf"), tmpfilesConfig(plan));
      writeFileSync(join(closure, "fstab"), bindFstab(plan).replaceAll(`${SYSROOT}/`, `${this.path}/`));
      return this.activate(
        path,
        plan.entries.find((one) => one.path === "/var/lib/nixos"),
      );
    },
    activate(path = process.env.PATH, idMaps?: PersistenceEntry) {
      const conf = join(folder.path, "activate.conf");
      const report = join(folder.path, "run/activation.report");
      writeFileSync(
        conf,
        scriptParameters({
          MACHINE_ID: "",
          ID_MAPS: idMaps?.source ?? "",
          KEYS: "",
          ROOT_DEVICE: "",
          STATE: "/persist/.nixfleet",
          REPORT: report,
        }),
      );
      const script = join(WIPE_SCRIPT, "../activate.sh");
      // In a process namespace of its own the last number is that of the processes there were; its mounts end with it.
      const command = `/bin/sh "$@"; status=$?; /bin/sh -c 'echo $$'; exit "$status"`;
      const argv = ["--mount", "--pid", "--fork", "/bin/sh", "-c", command, "sh", script, this.path, CLOSURE, conf];
      const { status, stdout, stderr } = spawnSync("unshare", argv, {
        encoding: "utf8",
        env: { ...process.env, PATH: path },
      });
      return {
        exitCode: status,
        stderr,
        processes: Number(stdout),
        report: activationReport(existsSync(report) ? readFileSync(report, "utf8") : "end\n"),
      };
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function owner(path: string): string {
  const { uid, gid, mode } = lstatSync(path);
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
}

const MARKER = ".nixfleet-unfinished";

test("folders, files and links that packages ship below an entry are on the persist root, with owner and mode", async () => {
  await using at = await scene();
  const { report, stderr } = at.boot(at.plan(entry("/var/lib"), entry("/var/log")));
  assert.deepEqual(report.problems, [], stderr);
  assert.equal(owner(at.persist("var/log/web")), `${WEB}:4 2750`);
  assert.equal(owner(at.persist("var/lib/web")), `${WEB}:${WEB} 700`);
  assert.equal(owner(at.persist("var/lib/web/data")), `${WEB}:${WEB} 600`);
  assert.equal(readFileSync(at.persist("var/lib/web/data"), "utf8"), "x".repeat(100_000));
  assert.equal(readFileSync(at.persist(`var/lib/web/${ODD}/${ODD}`), "utf8"), "odd");
  assert.equal(readlinkSync(at.persist("var/lib/web/link")), `../%h/${ODD} `);
  assert.ok(!existsSync(at.persist(MARKER)));
});

test("a filesystem over what packages ship gets that while it is empty, and later the folders that it lacks", async () => {
  await using at = await scene();
  at.ship("srv", null, [0, 4, 0o2775]);
  at.ship("srv/greeting", "hello", [WEB, 4, 0o640]);
  at.ship("srv/www", null, [WEB, WEB, 0o750]);
  at.ship("srv/www/index", "shipped", [WEB, WEB, 0o644]);
  at.refresh();
  // As a new ext4 is.
  mkdirSync(join(at.path, "srv/lost+found"), { recursive: true });
  const boot = () => at.boot(at.plan(), undefined, [], ["/srv"]);
  const { report, stderr } = boot();
  assert.deepEqual(report.problems, [], stderr);
  const own = (name: string) => join(at.path, "srv", name);
  assert.deepEqual(
    ["", "greeting", "www"].map((name) => owner(own(name))),
    ["0:4 2775", `${WEB}:4 640`, `${WEB}:${WEB} 750`],
  );
  assert.equal(readFileSync(own("greeting"), "utf8"), "hello");
  rmSync(own("greeting"));
  chmodSync(own(""), 0o755);
  at.ship("srv/later", null, [WEB, WEB, 0o711]);
  at.refresh();
  assert.deepEqual(boot().report.problems, []);
  assert.ok(!existsSync(own("greeting")), "who deletes it has deleted it");
  assert.deepEqual([owner(own("")), owner(own("later"))], ["0:4 755", `${WEB}:${WEB} 711`]);
  assert.ok(!existsSync(own(MARKER)));
});

test("a filesystem that is being given what packages ship when the power fails is given it again", async () => {
  await using at = await scene();
  at.ship("srv", null, [0, 0, 0o755]);
  at.ship("srv/greeting", "hello", [WEB, 4, 0o640]);
  at.refresh();
  mkdirSync(join(at.path, "srv"));
  const boot = () => at.boot(at.plan(entry("/var/lib")), undefined, [], ["/srv"]);
  boot();
  // Half of it was there, and the marker.
  const unmake = readFileSync(join(at.path, CLOSURE, "shipped.list"), "utf8")
    .split("\n")
    .map((line) => line.split("\t")[3])
    .filter((line) => line?.includes("/srv"));
  writeFileSync(at.persist(MARKER), `${unmake.join("\n")}\n# end\n`);
  writeFileSync(join(at.path, "srv/greeting"), "hel");
  assert.deepEqual(boot().report.problems, []);
  assert.equal(readFileSync(join(at.path, "srv/greeting"), "utf8"), "hello");
});

test("what is there keeps its owner, mode and content; what was deleted stays deleted; a folder more is made", async () => {
  await using at = await scene();
  const plan = at.plan(entry("/var/lib"));
  at.boot(plan);
  writeFileSync(at.persist("var/lib/web/data"), "mine");
  chownSync(at.persist("var/lib/web"), ALICE, ALICE);
  rmSync(at.persist("var/lib/web/link"));
  rmSync(at.persist(`var/lib/web/${ODD}/${ODD}`));
  at.ship("var/lib/other", null, [WEB, WEB, 0o711]);
  at.ship("var/lib/other/file", "new", [WEB, WEB, 0o600]);
  at.ship("var/lib/web/data", "a newer version's", [WEB, WEB, 0o644]);
  at.refresh();
  const { report } = at.boot(plan);
  assert.deepEqual(report.problems, []);
  assert.equal(readFileSync(at.persist("var/lib/web/data"), "utf8"), "mine");
  assert.equal(owner(at.persist("var/lib/web")), `${ALICE}:${ALICE} 700`);
  assert.ok(!existsSync(at.persist(`var/lib/web/${ODD}/${ODD}`)));
  assert.throws(() => lstatSync(at.persist("var/lib/web/link")), /ENOENT/);
  assert.equal(owner(at.persist("var/lib/other")), `${WEB}:${WEB} 711`);
  assert.equal(readFileSync(at.persist("var/lib/other/file"), "utf8"), "new");
});

test("an entry is as the packages ship it, unless its owner or mode is declared", async () => {
  await using at = await scene();
  const declared = { assumed: [], user: "alice", group: "alice", mode: "0750" };
  const { report } = at.boot(
    at.plan(
      entry("/etc/web.conf", { kind: "file", mode: "0644" }),
      entry("/var/lib/web"),
      entry("/var/log/web", declared),
      entry("/var/lib/unknown"),
    ),
  );
  assert.deepEqual(report.problems, []);
  assert.equal(owner(at.persist("etc/web.conf")), `0:${WEB} 640`);
  assert.equal(readFileSync(at.persist("etc/web.conf"), "utf8"), "shipped");
  assert.equal(owner(at.persist("var/lib/web")), `${WEB}:${WEB} 700`);
  assert.equal(owner(at.persist("var/log/web")), `${ALICE}:${ALICE} 750`);
  assert.equal(owner(at.persist("var/lib/unknown")), "0:0 755");
});

test("what nobody declares is as shipped, field by field; a declared owner brings his own primary group", async () => {
  await using at = await scene();
  at.ship(
    "etc/passwd",
    `root:x:0:0::/root:\nweb:x:${WEB}:4::/:\nalice:x:${ALICE}:${ALICE}::/home/alice:\n`,
    [0, 0, 0o644],
  );
  at.refresh();
  const { entries } = withShippedOwners(
    at.plan(
      entry("/var/lib/web", { mode: "0750", assumed: ["user", "group"] }),
      entry("/var/log/web", { user: "web", group: "web", assumed: ["group", "mode"] }),
      entry("/var/unknown", { user: "web", group: "web", assumed: ["group", "mode"] }),
    ),
    at.root,
    [],
  );
  assert.deepEqual(
    entries.map(({ user, group, mode }) => `${user}:${group} ${mode}`),
    ["web:web 0750", "web:adm 2750", "web:adm 0755"],
  );
  const deep = entry("/var/lib/web/sub/deep");
  const above = { path: "/var/lib/web/sub", user: "root", group: "root", mode: "0755", assumed: [], on: ["/persist"] };
  const parents = [...PARENTS, { ...above, ensured: false, closed: false, fromSkeleton: false }];
  assert.throws(
    () => withShippedOwners({ ...at.plan(entry("/var/lib/web"), deep), parents }, at.root, []),
    (error) =>
      error instanceof UserError &&
      /\/var\/lib\/web\/sub, above it, is root's in \/var\/lib\/web, which is web's/.test(error.text),
  );
  assert.throws(
    () => withShippedOwners(at.plan(entry("/srv/a", { user: "mallory", assumed: [] })), at.root, []),
    /\/srv\/a cannot be persisted: the host has no user mallory/,
  );
});

test("a folder above an entry is as closed on the persist root as where it ships, on a host that had it open too", async () => {
  await using at = await scene();
  const parent = (mode: string, assumed: PersistenceEntry["assumed"]) => ({
    path: "/var/lib/web",
    user: "root",
    group: "root",
    mode,
    assumed,
    on: ["/persist"],
    ensured: false,
    closed: false,
    fromSkeleton: false,
  });
  const inner = entry("/var/lib/web/data", { kind: "file", how: "bind" });
  const plan = at.plan(inner);
  const { report } = at.boot({ ...plan, parents: [...PARENTS, parent("0755", ["user", "group", "mode"])] });
  assert.deepEqual(report.problems, []);
  assert.equal(owner(at.persist("var/lib/web")), `${WEB}:${WEB} 700`);
  chmodSync(at.persist("var/lib/web"), 0o755);
  at.boot({ ...plan, parents: [...PARENTS, parent("0755", ["user", "group", "mode"])] });
  assert.equal(owner(at.persist("var/lib/web")), `${WEB}:${WEB} 700`);
  assert.throws(
    () => at.boot({ ...plan, parents: [parent("0755", ["user", "group"])] }),
    /\/var\/lib\/web with mode 0700, but it would be 0755 on the persist root/,
  );
});

test("a persisted /home begins with what a new user's home holds, though no package has it", async () => {
  await using at = await scene();
  const home = join(at.root, "home/alice");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, ".profile"), ' \t# 100%\\n "quoted"\n\nend ');
  for (const path of [home, join(home, ".profile")]) chownSync(path, ALICE, ALICE);
  chmodSync(home, 0o700);
  const { report } = at.boot(at.plan(entry("/home")));
  assert.deepEqual(report.problems, []);
  assert.equal(owner(at.persist("home/alice")), `${ALICE}:${ALICE} 700`);
  assert.equal(owner(at.persist("home/alice/.profile")), `${ALICE}:${ALICE} 644`);
  assert.equal(readFileSync(at.persist("home/alice/.profile"), "utf8"), ' \t# 100%\\n "quoted"\n\nend ');
});

test("activation keeps the ids of accounts on the persist root, and reports one that shifted", async () => {
  await using at = await scene();
  const plan = at.plan(entry("/var/lib/nixos"));
  assert.deepEqual(at.boot(plan).report.problems, []);
  assert.deepEqual(JSON.parse(readFileSync(at.persist("var/lib/nixos/uid-map"), "utf8")), { web: WEB, alice: ALICE });
  const passwd = readFileSync(join(at.path, "etc/passwd"), "utf8");
  at.ship("etc/passwd", passwd.replace(`:${WEB}:`, ":300:"), [0, 0, 0o644]);
  at.refresh();
  const { report } = at.boot(plan);
  assert.equal(report.outcome, "incomplete");
  assert.match(report.problems.join(), new RegExp(`"web": ${WEB} in ids.users of nixfleet.lock`));
});

test("an entry within another has its own persist root and owner", async () => {
  await using at = await scene();
  const other = { persistRoot: "/persist/big", source: "/persist/big/var/lib/web" };
  at.boot(at.plan(entry("/var/lib"), entry("/var/lib/web", other)));
  assert.ok(existsSync(at.persist("big/var/lib/web/data")));
  assert.ok(!existsSync(at.persist("var/lib/web/data")));
});

test("what the closure manages in a persisted folder is not copied to the persist root, where it would outlive it", async () => {
  await using at = await scene();
  at.ship("var/lib/dpkg", null, [0, 0, 0o755]);
  at.ship("var/lib/dpkg/status", "packages", [0, 0, 0o644]);
  at.ship("etc/web.d", null, [0, 0, 0o755]);
  at.ship("etc/web.d/shipped", "shipped", [0, 0, 0o644]);
  at.ship("etc/web.d/declared", "declared", [0, 0, 0o644]);
  at.refresh();
  const declared: FilePlan = { kind: "text", path: "/etc/web.d/declared", text: "declared", mode: "0644" };
  const { report } = at.boot(at.plan(entry("/etc/web.d"), entry("/var/lib")), undefined, [declared]);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(readdirSync(at.persist("etc/web.d")), ["shipped"]);
  assert.ok(existsSync(at.persist("var/lib/web/data")));
  assert.ok(!existsSync(at.persist("var/lib/dpkg")));
});

/** A folder of programs for the PATH, in which systemd-tmpfiles is what a power cut makes of it. */
function breakingTmpfiles(folder: string, script: string): string {
  mkdirSync(join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "bin/systemd-tmpfiles"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${join(folder, "bin")}:${process.env.PATH}`;
}

test("a boot that a power cut ends while it makes them is made good by the next one", async () => {
  await using at = await scene();
  const plan = at.plan(entry("/etc/web.conf", { kind: "file" }), entry("/var/lib"));
  mkdirSync(at.persist("var/lib"), { recursive: true });
  writeFileSync(at.persist("var/lib/mine"), "before");
  const cut = breakingTmpfiles(
    at.scratch,
    `/usr/bin/systemd-tmpfiles "$@"; : >${at.persist("var/lib/web/data")}; : >${at.persist("etc/web.conf")}; kill -9 $PPID`,
  );
  assert.notEqual(at.boot(plan, cut).exitCode, 0);
  assert.equal(readFileSync(at.persist("var/lib/web/data"), "utf8"), "");
  assert.ok(existsSync(at.persist(MARKER)));

  const { report, stderr } = at.boot(plan);
  assert.deepEqual(report.problems, [], stderr);
  assert.equal(readFileSync(at.persist("var/lib/web/data"), "utf8").length, 100_000);
  assert.equal(readFileSync(at.persist("etc/web.conf"), "utf8"), "shipped");
  assert.equal(readFileSync(at.persist(`var/lib/web/${ODD}/${ODD}`), "utf8"), "odd");
  assert.equal(readFileSync(at.persist("var/lib/mine"), "utf8"), "before");
  assert.ok(!existsSync(at.persist(MARKER)));
});

test("a record of that which is cut short takes nothing away, and is said", async () => {
  await using at = await scene();
  const plan = at.plan(entry("/var/lib"));
  at.boot(plan);
  writeFileSync(at.persist(MARKER), 'R "/persist/var/lib/web" - - - -\n');
  const { report } = at.boot(plan);
  assert.match(report.problems.join(), /is damaged: files that packages ship in persisted folders may be incomplete/);
  assert.equal(readFileSync(at.persist("var/lib/web/data"), "utf8").length, 100_000);
  assert.ok(!existsSync(at.persist(MARKER)));
});

test("where there is no room for them, that is said, nothing half made stays, and what was there does", async () => {
  await using at = await scene("48k");
  mkdirSync(at.persist("var/lib"), { recursive: true });
  writeFileSync(at.persist("var/lib/mine"), "before");
  const { report } = at.boot(at.plan(entry("/var/lib")));
  assert.equal(report.outcome, "incomplete");
  assert.match(report.problems.join(), /cannot create .*what packages ship.*No space left/);
  assert.deepEqual(readdirSync(at.persist("var/lib")), ["mine"]);
  assert.ok(!existsSync(at.persist(MARKER)));
  assert.equal(readFileSync(at.persist("var/lib/mine"), "utf8"), "before");
});

test("making them takes a constant number of processes, and none once they are there", async () => {
  const counts: { first: number; second: number; none: number }[] = [];
  for (const count of [2, 300]) {
    await using at = await scene();
    at.boot(at.plan());
    const none = at.boot(at.plan(entry("/var/nothing"))).processes;
    for (let i = 0; i < count; i++) at.ship(`var/log/web/${i}`, null, [WEB, WEB, 0o700]);
    at.refresh();
    const plan = at.plan(entry("/var/log"));
    const first = at.boot(plan).processes;
    assert.equal(readdirSync(at.persist("var/log/web")).length, count);
    counts.push({ first, second: at.boot(plan).processes, none });
  }
  assert.deepEqual(counts[0], counts[1]);
  assert.equal(counts[0]?.second, counts[0]?.none);
});

test("an entry that cannot take the place of what packages have there is refused, with what to do", async () => {
  await using at = await scene();
  symlinkSync("web", join(at.root, "var/lib/link"));
  const file = (path: string): FilePlan => ({ kind: "text", path, text: "", mode: "0644" });
  const cases: readonly (readonly [PersistenceEntry, readonly FilePlan[], RegExp])[] = [
    [entry("/var/lib/link"), [], /link at \/var\/lib\/link, to web/],
    [entry("/var/lib/link/deep"), [], /link at \/var\/lib\/link, to web/],
    [entry("/etc/web.conf"), [], /a file at \/etc\/web\.conf/],
    [entry("/etc/web.conf/deep"), [], /a file at \/etc\/web\.conf/],
    [entry("/var/lib/web", { kind: "file" }), [], /a folder at \/var\/lib\/web/],
    [
      entry("/etc/app", { how: "symlink" }),
      [file("/etc/app/conf")],
      /would hide \/etc\/app\/conf, which the declaration/,
    ],
    [entry("/etc/app/conf/deep"), [file("/etc/app/conf")], /would hide \/etc\/app\/conf, which the declaration/],
    [entry("/etc/nixfleet/x"), [], /would hide \/etc\/nixfleet, which the declaration manages/],
    [entry("/var/lib/dpkg/info"), [], /would hide \/var\/lib\/dpkg, which the declaration manages/],
    [entry("/etc/app", { kind: "file" }), [file("/etc/app")], /would hide \/etc\/app,/],
  ];
  for (const [one, files, reason] of cases) {
    assert.throws(() => withShippedOwners(at.plan(one), at.root, files), reason);
  }
});
