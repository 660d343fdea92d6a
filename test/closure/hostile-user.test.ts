import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { textFile } from "../../src/plan/file-plan.ts";
import { hostileProgram } from "./hostile-user.ts";
import { ALICE, persisting, type RunningRoot, runningRoot, trixieUsr } from "./running-root.ts";

const TARGETS = ["/srv/secret", "/etc", "/var/lib", "/persist/srv", "/usr", "/srv"];

/** Names of root's folders are among them, so that a link in place of a folder above leads to one. */
const declared = persisting(
  {
    directories: [
      "/srv/persisted",
      "/srv/other",
      { directory: "/var/lib/hers", user: "alice" },
      // Of a service that the user is, around an entry of before and inside its folder.
      { directory: "/srv/web", user: "alice" },
      { directory: "/srv/app/data/secret", user: "alice" },
      { directory: "/srv/app/data/linked", how: "symlink" },
    ],
    files: [{ file: "/srv/app/data/file", how: "bind" }],
  },
  {
    hideMounts: true,
    directories: [
      "a/secret",
      { directory: "b/persisted", mountOptions: ["noexec"] },
      { directory: "c/linked", how: "symlink" },
    ],
    files: [{ file: "a/file", how: "bind" }, "b/readable"],
  },
  [textFile("/etc/redis/secret/redis.conf", ["declared"]), textFile("/etc/redis/file", ["declared"])],
);

describe("a user, and a service, that exchange their folders for links to root's, while root switches the host", () => {
  let usr = "";
  before(async () => {
    usr = await trixieUsr();
  });

  test("change no owner, mode, content or mount outside them, and read nothing that they could not", async () => {
    await using root = await runningRoot(usr);
    root.sh(`mkdir -p /srv/secret/sub /srv/app; chmod 700 /srv/secret; echo SECRET | tee /srv/secret/file /srv/secret/sub/file >/etc/shadow
      chmod 600 /etc/shadow; echo readable >/srv/readable; chmod 644 /srv/secret/file; mkdir -p /var/lib/lib /etc/secret /persist/.nixfleet; chmod 700 /persist/.nixfleet`);
    const only = persisting({
      directories: [
        "/srv/persisted",
        { directory: "/var/lib/hers", user: "alice" },
        { directory: "/srv/web/state", user: "alice" },
      ],
    });
    assert.equal(root.switch(only).exitCode, 0);
    root.sh(`mkdir -p /persist/home/alice /persist/srv/app/data /srv/app/data /etc/redis
      chown -R alice: /persist/home/alice /srv/app/data /persist/srv/app/data /srv/web /persist/srv/web /etc/redis; chmod 2770 /etc/redis; chmod 700 /persist/home/alice`);
    const his = ["/home/alice", "/persist/home/alice"].flatMap((home) =>
      ["a", "a/secret", "b", "b/persisted", "c"].map((name) => `${home}/${name}`),
    );
    const its = [
      "/srv/app/data/secret",
      "/persist/srv/app/data/secret",
      "/persist/srv/web/state",
      "/srv/web/new",
      "/etc/redis/secret",
      "/etc/redis/file.nixfleet-new",
    ];
    for (const to of [declared, only]) assert.equal(root.switch(to).exitCode, 0);
    const original = outside(root);
    const mounts = foreignMounts(root);
    let placed = 0;
    for (const paths of [his, its, [...his, ...its]]) {
      const hostile = root.start(hostileProgram(paths, TARGETS), ALICE);
      for (let round = 0; round < 6; round++) {
        await setTimeout(20);
        for (const to of [declared, only]) {
          const { said, stderr } = root.switch(to);
          placed += said.filter((line) => line.endsWith(" is on /persist")).length;
          assert.equal(stderr, "");
          if (to === only) {
            assert.equal(outside(root), original);
            assert.deepEqual(foreignMounts(root), mounts);
          }
        }
      }
      root.stop(hostile);
      await root.ended(hostile);
    }
    assert.equal(placed, 18, "what is root's alone is placed each time, and nothing else ever");
    const readable = root.sh(
      "find /home /persist /srv /var -type f -readable -exec grep -l SECRET {} + 2>/dev/null || :",
      ALICE,
    );
    assert.equal(readable, "");
  });
});

/** All that is neither theirs, here or on the persist root, nor placed and taken away. */
const HIS = [
  ...["/home/alice", "/persist/home/alice", "/persist/.nixfleet", "/srv/app/data", "/persist/srv/app/data", "/srv/web"],
  ...["/persist/srv/web", "/etc/redis", "/etc/nixfleet", "/srv/other", "/persist/srv/other"],
];

function outside(root: RunningRoot): string {
  return root.sh(
    `find /etc /home /persist /root /srv /var \\( ${HIS.map((path) => `-path ${path}`).join(" -o ")} \\) -prune -o \\
      -printf '%p %y %m %U %G %n %l\\n' -type f -exec sha256sum {} \\; | sort`,
  );
}

function foreignMounts(root: RunningRoot): string[] {
  const lines = root
    .sh("cat /proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ").slice(3, 6).join(" "));
  // What the service calls its own folder, which is mounted, is its business.
  return lines.map((line) => line.replace(/^(\/srv\/web\/state)\.decoy /, "$1 ")).sort();
}
