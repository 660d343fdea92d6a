/** The switch of a running host, with its own script and the programs of its closure. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { quoted, run } from "../../src/machine/process.ts";
import { textFile } from "../../src/plan/files.ts";
import { ALICE, NOTHING, persisting, runningRoot, trixieUsr } from "./running-root.ts";

const ODD = `an "odd" 100%n 'name' \\ ünï [x]*`;
const TREES = ["/etc", "/home", "/persist", "/srv", "/var"];
const NOTES = persisting({}, { hideMounts: true, directories: ["notes"] });

describe("a running host is switched", () => {
  let usr = "";
  before(async () => {
    usr = await trixieUsr();
  });

  for (const kind of ["tmpfs", "btrfs"] as const) {
    test(`what a newly declared path holds is on the persist root, a ${kind}, and shown, as it was`, async () => {
      await using root = await runningRoot(usr, { kind, megabytes: 256 });
      const declared = persisting(
        {
          directories: ["/var/lib/bound", { directory: "/var/lib/linked", how: "symlink" }, `/srv/${ODD}`],
          files: [{ file: "/etc/bound.conf", how: "bind" }, "/etc/linked.conf"],
        },
        {
          hideMounts: true,
          directories: [
            "notes",
            { directory: `.config/${ODD}`, how: "symlink" },
            { directory: `.a/${ODD}`, mode: "0700" },
          ],
          files: [".config/linked", { file: ".config/bound file", how: "bind" }],
        },
      );
      const { entries } = declared.persistence;
      for (const { kind: type, path, user } of entries) {
        const fill =
          type === "file"
            ? 'printf "%s" "$0" >"$0"; chmod 0604 "$0"'
            : 'mkdir -p "$0/sub/.hidden"; echo text >"$0/sub/file"; chmod 2751 "$0"; ln "$0/sub/file" "$0/second"; ln -s sub/file "$0/link"; mkfifo "$0/pipe"';
        root.sh(
          `mkdir -p "$(dirname ${quoted(path)})"; sh -c ${quoted(fill)} ${quoted(path)}`,
          user === "root" ? 0 : ALICE,
        );
      }
      root.sh(
        "chown -R 1000:4 /var/lib/bound/sub; touch /home/alice/notes/of-root; chmod 600 /home/alice/notes/of-root",
      );
      await run("setfacl", ["-m", "u:4711:r", join(root.path, "var/lib/bound/sub/file")]);
      const shown = () =>
        entries.map(({ path }) =>
          root
            .sh(
              `if cd ${quoted(path)} 2>/dev/null; then find . -printf '%p %y %m %U %G %l %T@\\n'; else stat -L -c '%f %u %g %Y' ${quoted(path)}; cat ${quoted(path)}; fi`,
            )
            .split("\n")
            .sort(),
        );
      const original = shown();
      const { exitCode, said, stderr } = root.switch(NOTHING, declared);
      assert.equal(exitCode, 0, stderr);
      assert.equal(stderr, "");
      assert.deepEqual(shown(), original);
      assert.match(await run("getfacl", [join(root.path, "persist/var/lib/bound/second")]), /user:4711:r--/);
      for (const { path, source } of entries) {
        root.sh(`[ ${quoted(path)} -ef ${quoted(source)} ]`);
        assert.ok(said.includes(`${path} is kept from now on, with what it held`), path);
      }
      const [tree, mounts] = [root.tree(...TREES), root.mounts()];
      assert.deepEqual(root.switch(NOTHING, declared), { exitCode: 0, said: [], stderr: "" });
      assert.equal(root.tree(...TREES), tree);
      assert.equal(root.mounts(), mounts);
      const hidden = root
        .sh("mount")
        .split("\n")
        .filter((line) => line.includes("x-gvfs-hide"));
      assert.equal(hidden.length, 3, hidden.join("\n"));
      assert.ok(hidden.some((line) => line.includes(` on /home/alice/.a/${ODD} type `)));
    });
  }

  test("what is empty, or not there, is made as declared", async () => {
    await using root = await runningRoot(usr);
    root.sh("mkdir /srv/empty /srv/empty-link");
    const declared = persisting(
      {
        directories: [
          { directory: "/srv/empty", user: "alice", group: "adm", mode: "2750" },
          { directory: "/srv/new/deep", mode: "0700" },
          { directory: "/srv/empty-link", how: "symlink" },
        ],
        files: [{ file: "/etc/new.conf", how: "bind", mode: "0640" }],
      },
      { directories: [".local/state/app"] },
    );
    const { exitCode, stderr } = root.switch(NOTHING, declared);
    assert.equal(exitCode, 0, stderr);
    const paths =
      "/srv/empty /srv/new /srv/new/deep /srv/empty-link/. /etc/new.conf /home/alice/.local /home/alice/.local/state/app";
    assert.equal(
      root.sh(`stat -c '%n %a %U %G' ${paths}`),
      `/srv/empty 2750 alice adm
/srv/new 755 root root
/srv/new/deep 700 root root
/srv/empty-link/. 755 root root
/etc/new.conf 640 root root
/home/alice/.local 755 alice alice
/home/alice/.local/state/app 755 alice alice
`,
    );
  });

  test("a path no longer declared is taken away, its data stays, and that is said", async () => {
    await using root = await runningRoot(usr);
    const declared = persisting(
      {
        directories: ["/srv/bound", { directory: "/srv/linked", how: "symlink" }],
        files: [{ file: "/etc/bound", how: "bind" }],
      },
      { hideMounts: true, directories: ["a b"] },
    );
    assert.equal(root.switch(NOTHING, declared).exitCode, 0);
    root.sh("for each in /srv/bound/x /srv/linked/x /etc/bound '/home/alice/a b/x'; do echo data >\"$each\"; done");
    const [persisted] = [root.tree("/persist")];
    const { exitCode, said, stderr } = root.switch(declared, NOTHING);
    assert.equal(exitCode, 0, stderr);
    assert.equal(root.tree("/persist"), persisted);
    assert.deepEqual(
      said.toSorted(),
      declared.persistence.entries
        .map(({ path, source }) => `${path} is no longer declared; its data stays at ${source}, as stray`)
        .toSorted(),
    );
    assert.doesNotMatch(root.mounts(), /bound|a\\x20b/);
    assert.equal(root.sh("cat /run/mount/utab"), "");
    root.sh("[ ! -e /srv/linked ] && [ ! -e /srv/bound/x ]");
    assert.deepEqual(root.switch(declared, NOTHING), { exitCode: 0, said: [], stderr: "" });
  });

  test("what is in use stays, with who uses it, and the next run goes on", async () => {
    await using root = await runningRoot(usr);
    assert.equal(root.switch(NOTHING, NOTES).exitCode, 0);
    const user = root.start("cd /home/alice/notes; echo >started; exec sleep 60", ALICE);
    await root.until("/home/alice/notes/started");
    const running = root.sh("cat /run/nixfleet/closure");
    const busy = root.switch(NOTES, NOTHING);
    assert.equal(busy.exitCode, 1);
    assert.match(busy.stderr, /\/home\/alice\/notes stays as it is, in use by \d+ \(s(h|leep)\)/);
    root.sh("[ /home/alice/notes -ef /persist/home/alice/notes ]");
    assert.equal(root.sh("cat /run/nixfleet/closure"), running, "it is not what it was to become");
    root.stop(user);
    await root.ended(user);
    assert.equal(root.switch(NOTES, NOTHING).exitCode, 0);
    assert.doesNotMatch(root.mounts(), /notes/);
  });

  test("a change of how, of options or of the persist root is followed, and only the last leaves data behind", async () => {
    await using root = await runningRoot(usr);
    const bound = persisting({ directories: ["/srv/data"] });
    const linked = persisting({ directories: [{ directory: "/srv/data", how: "symlink" }] });
    const hardened = persisting({ directories: [{ directory: "/srv/data", mountOptions: ["noexec", "x-test"] }] });
    let last = NOTHING;
    for (const next of [bound, linked, hardened, bound, hardened, linked]) {
      const { exitCode, stderr, said } = root.switch(last, next);
      assert.equal(exitCode, 0, stderr);
      assert.doesNotMatch(said.join("\n"), /stray/);
      if (last === NOTHING) root.sh("echo kept >/srv/data/file");
      assert.equal(root.sh("cat /srv/data/file"), "kept\n");
      assert.equal(/data .*noexec/.test(root.mounts()), next === hardened);
      assert.equal(/on \/srv\/data .*x-test/.test(root.sh("mount")), next === hardened);
      last = next;
    }
  });

  test("an entry declared around persisted ones takes the rest, and what they hold goes before", async () => {
    await using root = await runningRoot(usr);
    const inner = persisting({
      directories: [
        { directory: "/srv/app/data", mode: "0700" },
        "/srv/app/deep/er",
        { directory: "/srv/app/linked", how: "symlink" },
      ],
      files: ["/srv/app/conf"],
    });
    assert.equal(root.switch(NOTHING, inner).exitCode, 0);
    root.sh(`chown alice:adm /srv/app; chmod 2750 /srv/app; chown alice: /srv/app/data; chmod 0711 /srv/app/data
      for each in data/x deep/er/x linked/x conf other; do echo "$each" >"/srv/app/$each"; done; mkdir -p /srv/app/new/sub; echo n >/srv/app/new/sub/x
      echo persisted >/persist/srv/app/both; echo fresh >/srv/app/both; stat -c %i /persist/srv/app/data/x >/tmp/inode`);
    const outer = persisting({ directories: ["/srv/app"] });
    const { exitCode, said, stderr } = root.switch(inner, outer);
    assert.equal(exitCode, 0, stderr);
    assert.match(said.join("\n"), /\/srv\/app is kept from now on/);
    root.sh("[ /srv/app -ef /persist/srv/app ]");
    assert.equal(
      root.sh("cd /srv/app; cat data/x deep/er/x linked/x conf other new/sub/x both"),
      "data/x\ndeep/er/x\nlinked/x\nconf\nother\nn\npersisted\n",
    );
    assert.equal(
      root.sh("cd /srv/app; stat -c '%n %a %U %G' . data deep/er"),
      ". 2750 alice adm\ndata 711 alice alice\ndeep/er 755 root root\n",
    );
    assert.equal(
      root.sh("stat -c %i /srv/app/data/x"),
      root.sh("cat /tmp/inode"),
      "a program that has it open goes on writing it",
    );
  });

  test("an inner entry that an outer one now holds is in its place all the while, even in use", async () => {
    await using root = await runningRoot(usr);
    const inner = persisting({ directories: ["/srv/app/data"] });
    const both = persisting({ directories: ["/srv/app", "/srv/app/data"] });
    assert.equal(root.switch(NOTHING, inner).exitCode, 0);
    const user = root.start(
      "while sleep 0.01; do echo >>/srv/app/data/log || touch /tmp/failed; done >/srv/app/data/open",
    );
    await root.until("/srv/app/data/log");
    for (const [from, to] of [
      [inner, both],
      [both, inner],
    ] as const) {
      const { exitCode, stderr } = root.switch(from, to);
      assert.equal(exitCode, 0, stderr);
      root.sh("[ /srv/app/data -ef /persist/srv/app/data ] && [ ! -e /tmp/failed ]");
    }
    root.stop(user);
    await root.ended(user);
  });

  test("data on the persist root that no entry claimed is shown, and not mixed with what was there", async () => {
    await using root = await runningRoot(usr);
    root.sh(
      "mkdir -p /persist/srv/data /srv/data; echo old >/persist/srv/data/file; echo new >/srv/data/file; echo x >/srv/data/other",
    );
    const { said } = root.switch(NOTHING, persisting({ directories: ["/srv/data"] }));
    assert.match(said.join("\n"), /\/srv\/data has data on the persist root already/);
    assert.equal(root.sh("cat /srv/data/file; ls /srv/data"), "old\nfile\n");
  });

  test("whenever it is killed, the original is as it was, and the next run takes all of it", async () => {
    await using root = await runningRoot(usr, { kind: "btrfs", megabytes: 512 });
    root.sh(
      "mkdir -p /srv/big/sub; for i in $(seq 300); do head -c 100000 /dev/urandom >/srv/big/sub/$i; done; cd /srv; find big -type f -exec sha256sum {} + | sort >/tmp/sums",
    );
    const declared = persisting({ directories: ["/srv/big"] });
    const sums = root.sh("cat /tmp/sums");
    let interrupted = 0;
    for (let delay = 0; delay < 1000; delay += 70) {
      const before = root.tree("/srv");
      const running = root.start(root.prepare(NOTHING, declared));
      await setTimeout(delay);
      root.stop(running);
      await root.ended(running);
      const original = root.sh(
        "umount /srv/big 2>/dev/null || :; cd /srv; find big -type f -exec sha256sum {} + | sort",
      );
      assert.equal(original, sums);
      assert.equal(root.tree("/srv"), before);
      if (root.sh("[ -e /persist/srv/big ] && echo there || :") === "") interrupted++;
      else
        assert.equal(
          root.sh("cd /persist/srv; find big -type f -exec sha256sum {} + | sort"),
          sums,
          `killed after ${delay} ms`,
        );
      const next = root.switch(NOTHING, declared);
      assert.equal(next.exitCode, 0, next.stderr);
      assert.equal(
        root.sh("[ /srv/big -ef /persist/srv/big ]; cd /srv; find big -type f -exec sha256sum {} + | sort"),
        sums,
      );
      assert.equal(root.sh("ls -A /persist/.nixfleet"), "");
      root.sh("umount /srv/big; rm -r /persist/srv/big");
    }
    assert.ok(interrupted > 2, `${interrupted} runs were interrupted`);
  });

  test("where the persist root is full the original stays in its place, that is said, and another run finishes", async () => {
    await using root = await runningRoot(usr, { kind: "tmpfs", megabytes: 4 });
    root.sh("mkdir /srv/big /srv/small; head -c 8000000 /dev/urandom >/srv/big/file; echo small >/srv/small/file");
    const declared = persisting({ directories: ["/srv/big", "/srv/small"] });
    const before = root.tree("/srv/big");
    const { exitCode, stderr } = root.switch(NOTHING, declared);
    assert.equal(exitCode, 1);
    assert.match(stderr, /No space left on device/);
    assert.match(stderr, /nixfleet: .*\/srv\/big/);
    assert.equal(root.tree("/srv/big"), before);
    root.sh("[ ! -e /persist/srv/big ] && [ /srv/small -ef /persist/srv/small ]");
    root.sh("mount -o remount,size=64M /persist");
    assert.equal(root.switch(NOTHING, declared).exitCode, 0);
    root.sh("[ /srv/big -ef /persist/srv/big ] && [ -s /srv/big/file ]");
  });

  test("declared files are written; those changed by hand are said; removed ones go only if they are as declared", async () => {
    await using root = await runningRoot(usr);
    const files = (...lines: readonly (readonly [string, string])[]) =>
      persisting(
        {},
        {},
        lines.map(([path, text]) => textFile(`/etc/${path}`, [text])),
      );
    const first = files(["a", "1"], ["b", "1"], ["c", "1"], ["d/e", "1"]);
    const second = files(["a", "2"], ["b", "2"], ["f/g", "2"]);
    assert.equal(root.switch(NOTHING, first).exitCode, 0);
    root.sh("echo by hand >/etc/b; echo by hand >/etc/c");
    const { exitCode, said } = root.switch(first, second);
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
    const again = root.switch(first, second);
    assert.deepEqual(again.said, ["/etc/c is no longer declared, but was changed here: it goes at the next boot"]);
  });
});
