/** The switch of a running host, with its own script and the programs of its closure. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { quoted } from "../../src/local/process.ts";
import { textFile } from "../../src/plan/file-plan.ts";
import { ALICE, NOTHING, persisting, type RunningRoot, runningRoot, trixieUsr } from "./running-root.ts";

const ODD = `an "odd" 100%n 'name' \\ ünï [x]*`;
const TREES = ["/etc", "/home", "/persist", "/srv", "/var"];
const FROM_NEXT_BOOT = "is kept from the next boot on, with what it holds";

const files = (...lines: readonly (readonly [path: string, text: string])[]) =>
  persisting(
    {},
    {},
    lines.map(([path, text]) => textFile(`/etc/${path}`, [text])),
  );

describe("a running host is switched", () => {
  let usr = "";
  before(async () => {
    usr = await trixieUsr();
  });

  test("what is empty, or not there, is placed at once, as declared", async () => {
    await using root = await runningRoot(usr);
    root.sh("mkdir /srv/empty /srv/empty-link");
    const declared = persisting({
      hideMounts: true,
      directories: [
        { directory: "/srv/empty", user: "alice", group: "adm", mode: "2750" },
        { directory: "/srv/new/deep", mode: "0700" },
        { directory: "/srv/empty-link", how: "symlink" },
        `/srv/${ODD}`,
      ],
      files: [
        { file: "/etc/new.conf", how: "bind", mode: "0640" },
        { file: "/etc/linked.conf", how: "symlink" },
      ],
    });
    const { exitCode, stderr, said } = root.switch(declared);
    assert.equal(exitCode, 0, stderr);
    assert.equal(stderr, "");
    assert.deepEqual(
      said.toSorted(),
      declared.persistence.entries.map(({ path }) => `${path} is on /persist`).toSorted(),
    );
    const paths = "/srv/empty /srv/new /srv/new/deep /srv/empty-link/. /etc/new.conf";
    assert.equal(
      root.sh(`stat -c '%n %a %U %G' ${paths}`),
      `/srv/empty 2750 alice adm
/srv/new 755 root root
/srv/new/deep 700 root root
/srv/empty-link/. 755 root root
/etc/new.conf 640 root root
`,
    );
    for (const { path, source, kind, how } of declared.persistence.entries)
      if (kind === "directory" || how === "bind") root.sh(`[ ${quoted(path)} -ef ${quoted(source)} ]`);
    assert.equal(root.sh("readlink /etc/linked.conf"), "/persist/etc/linked.conf\n");
    const hidden = root.sh("mount").match(/x-gvfs-hide/g) ?? [];
    assert.equal(hidden.length, 4);
    const [tree, mounts] = [root.tree(...TREES), root.mounts()];
    assert.deepEqual(root.switch(declared), { exitCode: 0, said: [], stderr: "" });
    assert.equal(root.tree(...TREES), tree);
    assert.equal(root.mounts(), mounts);
  });

  test("what holds something, or lies in a home, is left to the next boot, and not touched", async () => {
    await using root = await runningRoot(usr);
    const declared = persisting(
      {
        directories: ["/srv/full", { directory: "/srv/full-link", how: "symlink" }, "/srv/was-link", "/srv/web/deep"],
        files: [{ file: "/etc/full.conf", how: "bind" }, "/etc/full-linked.conf"],
      },
      { directories: ["notes", ".config/app"], files: [".toolrc"] },
    );
    root.sh(`mkdir -p /srv/full/sub /srv/full-link/x /srv/elsewhere /srv/web/deep; ln -s elsewhere /srv/was-link; chown alice: /srv/web
      echo text | tee /etc/full.conf /etc/full-linked.conf /srv/full/sub/file >/srv/full-link/x/file`);
    const before = [root.tree("/home", "/persist", "/srv", "/var"), root.mounts()];
    const { exitCode, said, stderr } = root.switch(declared);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(
      said.toSorted(),
      declared.persistence.entries.map(({ path }) => `${path} ${FROM_NEXT_BOOT}`).toSorted(),
    );
    assert.deepEqual([root.tree("/home", "/persist", "/srv", "/var"), root.mounts()], before);
    assert.equal(root.sh("cat /etc/nixfleet/placed.list"), "", "the next boot knows that none of them is placed");
  });

  test("a path no longer declared is taken away, its data stays, and that is said", async () => {
    await using root = await runningRoot(usr);
    const declared = persisting({
      hideMounts: true,
      directories: ["/srv/bound", { directory: "/srv/linked", how: "symlink" }],
      files: [{ file: "/etc/bound", how: "bind" }],
    });
    assert.equal(root.switch(declared).exitCode, 0);
    root.sh('for each in /srv/bound/x /srv/linked/x /etc/bound; do echo data >"$each"; done');
    const persisted = root.tree("/persist");
    const { exitCode, said, stderr } = root.switch(NOTHING);
    assert.equal(exitCode, 0, stderr);
    assert.equal(root.tree("/persist"), persisted);
    assert.deepEqual(
      said.toSorted(),
      declared.persistence.entries
        .map(({ path, source }) => `${path} is no longer declared; its data stays at ${source}, as stray`)
        .toSorted(),
    );
    assert.doesNotMatch(root.mounts(), /bound/);
    assert.equal(root.sh("cat /run/mount/utab /etc/nixfleet/placed.list"), "");
    root.sh("[ ! -e /srv/linked ] && [ ! -e /srv/bound/x ]");
    assert.deepEqual(root.switch(NOTHING), { exitCode: 0, said: [], stderr: "" });
    assert.equal(root.switch(declared).exitCode, 0);
    assert.equal(root.sh("cat /srv/bound/x /srv/linked/x /etc/bound"), "data\ndata\ndata\n");
  });

  test("where somebody but root can change a folder above it, it goes at the next boot, and that is said", async () => {
    await using root = await runningRoot(usr);
    assert.equal(root.switch(persisting({ directories: ["/srv/web/state"] })).exitCode, 0);
    root.sh("chown alice: /srv/web");
    const mounts = root.mounts();
    const { exitCode, said } = root.switch(NOTHING);
    assert.equal(exitCode, 0);
    assert.match(
      said.join(),
      /\/srv\/web\/state is no longer declared; it goes at the next boot.*\/persist\/srv\/web\/state, as stray/,
    );
    assert.equal(root.mounts(), mounts);
  });

  test("what is in use stays, with who uses it, and the next run goes on", async () => {
    await using root = await runningRoot(usr);
    assert.equal(root.switch(persisting({ directories: [{ directory: "/srv/notes", user: "alice" }] })).exitCode, 0);
    const user = root.start("cd /srv/notes; echo >started; exec sleep 60", ALICE);
    await root.until("/srv/notes/started");
    const busy = root.switch(NOTHING);
    assert.equal(busy.exitCode, 1);
    assert.match(busy.stderr, /\/srv\/notes stays as it is, in use by \d+ \(s(h|leep)\)/);
    root.sh("[ /srv/notes -ef /persist/srv/notes ]");
    assert.equal(root.sh("wc -l </run/nixfleet/closure"), "2\n", "it is between two");
    root.stop(user);
    await root.ended(user);
    assert.equal(root.switch(NOTHING).exitCode, 0);
    assert.doesNotMatch(root.mounts(), /notes/);
    assert.equal(root.sh("wc -l </run/nixfleet/closure"), "1\n");
  });

  test("a change of how, of options or of the persist root is followed, and only the last leaves data behind", async () => {
    await using root = await runningRoot(usr);
    const bound = persisting({ directories: ["/srv/data"] });
    const linked = persisting({ directories: [{ directory: "/srv/data", how: "symlink" }] });
    const hardened = persisting({ directories: [{ directory: "/srv/data", mountOptions: ["noexec", "x-test"] }] });
    let isFirst = true;
    for (const next of [bound, linked, hardened, bound, hardened, linked]) {
      const { exitCode, stderr, said } = root.switch(next);
      assert.equal(exitCode, 0, stderr);
      assert.doesNotMatch(said.join("\n"), /stray/);
      if (isFirst) root.sh("echo kept >/srv/data/file");
      assert.equal(root.sh("cat /srv/data/file"), "kept\n");
      assert.equal(/data .*noexec/.test(root.mounts()), next === hardened);
      assert.equal(/on \/srv\/data .*x-test/.test(root.sh("mount")), next === hardened);
      isFirst = false;
    }
  });

  test("an inner entry stays in its place, even in use, while an outer one comes and goes", async () => {
    await using root = await runningRoot(usr);
    const inner = persisting({ directories: ["/srv/app/data"] });
    const both = persisting({ directories: ["/srv/app", "/srv/app/data"] });
    assert.equal(root.switch(inner).exitCode, 0);
    const user = root.start(
      "while sleep 0.01; do echo >>/srv/app/data/log || touch /tmp/failed; done >/srv/app/data/open",
    );
    await root.until("/srv/app/data/log");
    const there = root.switch(both);
    assert.deepEqual([there.exitCode, there.said], [0, [`/srv/app ${FROM_NEXT_BOOT}`]]);
    assert.deepEqual(root.switch(inner), { exitCode: 0, said: [], stderr: "" });
    root.sh("[ /srv/app/data -ef /persist/srv/app/data ] && [ ! -e /tmp/failed ]");
    root.stop(user);
    await root.ended(user);
  });

  test("data on the persist root that no entry claimed is shown where nothing is", async () => {
    await using root = await runningRoot(usr);
    root.sh("mkdir -p /persist/srv/data; echo old >/persist/srv/data/file");
    assert.equal(root.switch(persisting({ directories: ["/srv/data"] })).exitCode, 0);
    assert.equal(root.sh("cat /srv/data/file"), "old\n");
  });

  test("whenever it is killed, the next run goes on from what is there", async () => {
    await using root = await runningRoot(usr);
    const names = Array.from({ length: 8 }, (_, i) => `${i}`);
    const declared = persisting(
      { directories: names.map((name) => `/srv/${name}`), files: names.map((name) => `/srv/link-${name}`) },
      {},
      names.map((name) => textFile(`/etc/file-${name}`, [name])),
    );
    let interrupted = 0;
    for (let delay = 0; delay < 900; delay += 150) {
      for (const [to, done] of [
        [declared, (text: string) => text.match(/^\/srv\/\d /gm)?.length === 8],
        [NOTHING, (text: string) => !/^\/srv\//m.test(text)],
      ] as const) {
        const running = root.start(root.prepare(to));
        await setTimeout(delay);
        root.stop(running);
        await root.ended(running);
        if (!done(root.mounts())) interrupted++;
        const next = root.switch(to);
        assert.equal(next.exitCode, 0, next.stderr);
        assert.ok(done(root.mounts()));
        assert.equal(
          root.sh("cd /etc; cat file-* 2>/dev/null | wc -l; wc -l <nixfleet/placed.list"),
          to === NOTHING ? "0\n0\n" : "8\n16\n",
        );
      }
    }
    assert.ok(interrupted > 2, `${interrupted} runs were interrupted`);
  });

  test("declared files are written; those changed by hand are said; removed ones go only if they are as declared", async () => {
    await using root = await runningRoot(usr);
    const first = files(["a", "1"], ["b", "1"], ["c", "1"], ["d/e", "1"]);
    const second = files(["a", "2"], ["b", "2"], ["f/g", "2"]);
    assert.equal(root.switch(first).exitCode, 0);
    root.sh("echo by hand >/etc/b; echo by hand >/etc/c");
    const { exitCode, said } = root.switch(second);
    assert.equal(exitCode, 0);
    assert.deepEqual(said, [
      "/etc/a is as declared now",
      "/etc/b had been changed here; it is as declared again",
      "/etc/b is as declared now",
      "/etc/f/g is as declared now",
      "/etc/c is no longer declared, but was changed here: it goes at the next boot",
      "/etc/d/e is removed",
    ]);
    assert.equal(root.sh("cat /etc/a /etc/b /etc/c /etc/f/g; [ ! -e /etc/d/e ]"), "2\n2\nby hand\n2\n");
  });

  test("after one that failed in part, back to what was before, nothing of the other is left", async () => {
    await using root = await runningRoot(usr);
    const first = files(["both", "1"], ["only-first", "1"]);
    const second = files(["both", "2"], ["only-second", "2"], ["refused", "2"]);
    assert.equal(root.switch(first).exitCode, 0);
    root.sh("mkdir -p /etc/refused/x");
    const failed = root.switch(second);
    assert.equal(failed.exitCode, 1);
    assert.match(failed.stderr, /failed: write \/etc\/refused/);
    const back = root.switch(first);
    assert.equal(back.exitCode, 0, back.stderr);
    assert.deepEqual(back.said.toSorted(), [
      "/etc/both is as declared now",
      "/etc/only-first is as declared now",
      "/etc/only-second is removed",
      "/etc/refused is no longer declared, but was changed here: it goes at the next boot",
    ]);
    assert.equal(root.sh("cat /etc/both /etc/only-first; ls /etc | grep only"), "1\n1\nonly-first\n");
    assert.deepEqual(root.switch(first), { exitCode: 0, said: [], stderr: "" });
  });

  test("of two at once the second is refused with what holds it up, and so is one planned from what is no more", async () => {
    await using root = await runningRoot(usr);
    root.sh("mkdir -m 0700 /run/nixfleet/switch");
    const other = root.start(
      "exec 9<>/run/nixfleet/switch/lock; flock 9; echo $$ >/run/nixfleet/switch/lock; exec sleep 60",
    );
    await root.until("/run/nixfleet/switch/lock");
    while (root.sh("cat /run/nixfleet/switch/lock") === "") await setTimeout(10);
    const before = root.tree("/etc", "/persist");
    const second = root.switch(files(["a", "1"]));
    assert.equal(second.exitCode, 2);
    assert.match(second.stderr, /another switch of this host is running, as process \d+: wait for its end/);
    assert.equal(root.tree("/etc", "/persist"), before);
    root.stop(other);
    await root.ended(other);
    assert.throws(() => root.sh("cat /run/nixfleet/switch/lock", ALICE), /Permission denied/);
    const stale = root.prepare(files(["a", "1"]));
    assert.equal(root.switch(files(["b", "1"])).exitCode, 0);
    assert.throws(() => root.sh(stale), /switched by somebody else meanwhile: run the command again/);
    root.sh("[ ! -e /etc/a ] && [ -e /etc/b ]");
  });

  test("unconfirmed, it goes back to what was there before, also what was changed by hand", async () => {
    await using root = await runningRoot(usr);
    const first = persisting(
      {
        directories: ["/srv/kept", "/srv/dropped", { directory: "/srv/moved", how: "symlink" }],
        files: [{ file: "/etc/bound", how: "bind" }],
      },
      {},
      files(["a", "1"], ["b", "1"], ["c", "1"]).files,
    );
    const second = persisting(
      { directories: ["/srv/kept", "/srv/new", "/srv/moved", { directory: "/srv/link", how: "symlink" }] },
      {},
      files(["a", "2"], ["b", "2"], ["new/d", "2"]).files,
    );
    assert.equal(root.switch(first).exitCode, 0);
    root.sh("echo data | tee /srv/kept/x /srv/dropped/x /srv/moved/x >/etc/bound; echo by hand >/etc/b");
    const looks = () => [
      root.sh("find /etc /srv -path /etc/new -prune -o -printf '%p %y %m %l\\n' | grep -v /srv/new | sort"),
      root.sh(
        "cat /etc/a /etc/b /etc/c /etc/bound /srv/*/x; sort /etc/nixfleet/placed.list; cat /run/nixfleet/closure",
      ),
      root.mounts(),
    ];
    const before = looks();
    assert.throws(() => root.sh(root.prepare(second, 1)), /nobody confirmed it in 1 s/);
    assert.equal(root.outcome(), "back");
    assert.deepEqual(looks(), before);
    assert.equal(root.switch(second).exitCode, 0, "the next switch begins from there");
    assert.equal(root.sh("cat /etc/b /etc/new/d; [ -L /srv/link ]"), "2\n2\n");
  });

  test("confirmed it stays, by who names the closure that waits", async () => {
    await using root = await runningRoot(usr);
    const waiting = root.start(root.prepare(files(["a", "1"]), 60));
    const confirm = "sh /nix/store/1/root/etc/nixfleet/confirm.sh";
    while (!existsSync(join(root.path, "run/nixfleet/switch.report")) || root.outcome() !== "waiting")
      await setTimeout(20);
    assert.throws(() => root.sh(`${confirm} /nix/store/9`), /the switch that waits is another, to \/nix\/store\/1/);
    assert.throws(() => root.sh(confirm, ALICE), /only root/);
    root.sh(`${confirm} /nix/store/1`);
    await root.ended(waiting);
    assert.equal(root.outcome(), "switched");
    assert.equal(root.sh("cat /etc/a /run/nixfleet/closure"), "1\n/nix/store/1\n");
    assert.throws(() => root.sh(confirm), /no switch waits for a confirmation/);
  });

  test("killed before it is confirmed, wherever that is, it goes back too", async () => {
    await using root = await runningRoot(usr);
    const names = Array.from({ length: 6 }, (_, i) => `${i}`);
    const first = persisting(
      { directories: names.map((name) => `/srv/old-${name}`) },
      {},
      files(["a", "1"], ["b", "1"]).files,
    );
    const second = persisting(
      { directories: names.map((name) => `/srv/${name}`) },
      {},
      files(["a", "2"], ["c", "2"]).files,
    );
    assert.equal(root.switch(first).exitCode, 0);
    root.sh('for each in /srv/old-*; do echo data >"$each/x"; done');
    const looks = () => [
      root.sh("cat /etc/a /etc/b /srv/old-*/x; ls /etc; sort /etc/nixfleet/placed.list; cat /run/nixfleet/closure"),
      root.mounts(),
    ];
    const before = looks();
    const seen = new Set<string>();
    for (let delay = 0; delay < 1000; delay += 200) {
      const [run = "", rest = ""] = root.prepare(second, 60).split(" && code=0");
      const killed = root.start(run);
      await setTimeout(delay);
      root.stop(killed);
      await root.ended(killed);
      seen.add(root.sh("cat /etc/a /etc/c 2>/dev/null | tr -d '\\n' || :"));
      // Its unit's end comes after a kill as well.
      assert.throws(() => root.sh(`false && code=0${rest}`));
      assert.match(root.outcome(), /^(back|refused)$/);
      assert.deepEqual(looks(), before);
    }
    assert.ok(seen.size > 1, "some were killed before, and some after the files were written");
  });

  test("a service's folder in /etc, and links in it, make root write nothing there or elsewhere", async () => {
    await using root = await runningRoot(usr);
    const redis = (text: string) => files(["redis/redis.conf", text], ["redis/deep/x.conf", text], ["other", text]);
    assert.equal(root.switch(redis("1")).exitCode, 0);
    root.sh("echo SECRET >/etc/shadow; chmod 600 /etc/shadow; chown -R alice: /etc/redis; chmod 2770 /etc/redis");
    root.sh(
      "cd /etc/redis; ln -s ../shadow redis.conf.nixfleet-new; rm redis.conf; ln -s ../shadow redis.conf; mv deep real; ln -s ../../etc deep",
      ALICE,
    );
    const before = outside(root);
    for (const [next, verb] of [
      [redis("2"), "is as declared from the next boot on"],
      [NOTHING, "is no longer declared; it goes at the next boot"],
    ] as const) {
      const { exitCode, said } = root.switch(next);
      assert.equal(exitCode, 0);
      for (const path of ["/etc/redis/redis.conf", "/etc/redis/deep/x.conf"])
        assert.ok(said.includes(`${path} ${verb}: somebody but root can change a folder above it`), said.join("\n"));
      assert.equal(outside(root), before);
    }
  });
});

function outside(root: RunningRoot): string {
  return root.sh(
    "find /etc -name other -prune -o -path '/etc/nixfleet*' -prune -o -type f -printf '%p %U %m ' -exec cat {} \\; | sort; ls -A /etc/redis",
  );
}
