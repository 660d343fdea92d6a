import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { hostileProgram } from "./hostile-user.ts";
import { ALICE, NOTHING, persisting, type RunningRoot, runningRoot, trixieUsr } from "./running-root.ts";

const TARGETS = ["/srv/secret", "/etc", "/var/lib", "/persist/srv", "/usr", "/srv"];

/** Names of root's folders are among them, so that a link in place of a folder above leads to one. */
const declared = persisting(
  { directories: ["/srv/persisted", { directory: "/var/lib/hers", user: "alice" }] },
  {
    hideMounts: true,
    directories: [
      "a/secret",
      "a/lib",
      { directory: "b/persisted", mountOptions: ["noexec"] },
      { directory: "c/linked", how: "symlink" },
      "notes",
    ],
    files: [{ file: "a/file", how: "bind" }, "b/readable"],
  },
);

describe("a user who exchanges his folders for links to root's, while root switches the host", () => {
  let usr = "";
  before(async () => {
    usr = await trixieUsr();
  });

  test("changes no owner, mode, content or mount outside them, and reads nothing that he could not", async () => {
    await using root = await runningRoot(usr);
    root.sh(`mkdir -p /srv/secret/sub /srv/persisted; chmod 700 /srv/secret; echo SECRET | tee /srv/secret/file /srv/secret/sub/file >/etc/shadow
      chmod 600 /etc/shadow; echo readable >/srv/readable; chmod 644 /srv/secret/file; mkdir -p /var/lib/lib /etc/secret /persist/home/alice /persist/.nixfleet; chmod 700 /persist/.nixfleet
      chown alice: /persist/home/alice; chmod 700 /persist/home/alice`);
    assert.equal(root.switch(NOTHING, persisting({ directories: ["/srv/persisted"] })).exitCode, 0);
    const folders = ["a", "a/secret", "a/lib", "b", "b/persisted", "c", "c/linked", "notes"];
    const his = ["/home/alice", "/persist/home/alice"].flatMap((home) => folders.map((name) => `${home}/${name}`));
    const only = persisting({ directories: ["/srv/persisted", { directory: "/var/lib/hers", user: "alice" }] });
    assert.equal(root.switch(NOTHING, only).exitCode, 0);
    const original = outside(root);
    const mounts = foreignMounts(root);
    let placed = 0;
    for (const paths of [
      his,
      his.slice(0, folders.length),
      his.slice(folders.length),
      ["/home/alice/a", "/home/alice/b"],
    ]) {
      const hostile = root.start(hostileProgram(paths, TARGETS), ALICE);
      for (let round = 0; round < 6; round++) {
        await setTimeout(20);
        for (const [from, to] of [
          [only, declared],
          [declared, only],
        ] as const) {
          const { said } = root.switch(from, to);
          placed += said.filter((line) => line.endsWith(" is on /persist")).length;
          assert.equal(outside(root), original);
          assert.deepEqual(foreignMounts(root), mounts);
        }
      }
      root.stop(hostile);
      await root.ended(hostile);
    }
    assert.ok(placed > 0, `only ${placed} entries were ever placed`);
    const readable = root.sh(
      "find /home /persist /srv /var -type f -readable -exec grep -l SECRET {} + 2>/dev/null || :",
      ALICE,
    );
    assert.equal(readable, "");
  });
});

/** All that is not in his home, here or on the persist root, or what he may write anyway. */
function outside(root: RunningRoot): string {
  return root.sh(
    `find /etc /home /persist /root /srv /var \\( -path /home/alice -o -path /persist/home/alice -o -path /persist/.nixfleet \\) -prune -o \\
      -printf '%p %y %m %U %G %n %l\\n' -type f -exec sha256sum {} \\; | sort`,
  );
}

function foreignMounts(root: RunningRoot): string[] {
  const lines = root
    .sh("cat /proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ").slice(3, 6).join(" "));
  return lines.filter((line) => !/^\S+ \/home\/alice\//.test(line)).sort();
}
