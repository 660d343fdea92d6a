/** What an ordinary user lacks for a build is named, each with what to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { namespaceLacks } from "../../src/local/user-namespace.ts";

const ALICE = { username: "alice", uid: 1000 };
const MACHINE: Readonly<Record<string, string>> = {
  "/etc/subuid": "bob:100000:65536\nalice:165536:65536\n",
  "/etc/subgid": "1000:165536:65535\n",
  "/proc/sys/user/max_user_namespaces": "96365\n",
};

function lacks(change: Readonly<Record<string, string>> = {}, isInstalled = true): readonly string[] {
  const files = { ...MACHINE, ...change };
  return namespaceLacks(
    ALICE,
    (file) => files[file] ?? null,
    () => isInstalled,
  );
}

test("a user with ids of their own, by name or number, on a machine that lets them lacks nothing", () => {
  assert.deepEqual(lacks(), []);
  assert.deepEqual(lacks({ "/proc/sys/kernel/unprivileged_userns_clone": "1\n" }), []);
});

test("what is missing is named, all of it", () => {
  const [tools, users, groups, kernel, ...more] = lacks(
    {
      "/etc/subuid": "alice:100000:1000\nbob:200000:65536\n",
      "/etc/subgid": "",
      "/proc/sys/kernel/unprivileged_userns_clone": "0\n",
    },
    false,
  );
  assert.match(tools ?? "", /newuidmap is not installed: apt-get install uidmap/);
  assert.match(users ?? "", /\/etc\/subuid .* usermod --add-subuids \d+-\d+ alice/);
  assert.match(groups ?? "", /\/etc\/subgid .* usermod --add-subgids \d+-\d+ alice/);
  assert.match(kernel ?? "", /sysctl kernel\.unprivileged_userns_clone=1/);
  assert.deepEqual(more, []);
  assert.match(lacks({ "/proc/sys/user/max_user_namespaces": "0\n" }).join(), /sysctl user\.max_user_namespaces/);
  const apparmor = { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" };
  assert.match(lacks(apparmor).join(), /AppArmor/);
});

test("the ids that a message proposes are nobody's yet", () => {
  const taken = { "/etc/subuid": "bob:100000:65536\ncarol:165536:65536\n" };
  assert.match(lacks(taken).join(), /--add-subuids 231072-296606 alice/);
});
