import assert from "node:assert/strict";
import { test } from "node:test";
import { type AccountFiles, withDeclaredAccounts } from "../../src/closure/lock/accounts.ts";
import { UserError } from "../../src/errors.ts";
import type { GroupPlan, UserPlan, UsersPlan } from "../../src/plan/users.ts";

const DEBIAN: AccountFiles = {
  passwd: "root:x:0:0:root:/root:/bin/bash\nsshd:x:100:65534:sshd user:/run/sshd:/usr/sbin/nologin\n",
  group: "root:x:0:\nsudo:x:27:bob\nusers:x:100:\n",
  shadow: "root:*:20000:0:99999:7:::\nsshd:!:20000::::::\n",
  gshadow: "root:*::\nsudo:*:root:bob\nusers:*::\n",
};

const ALICE: UserPlan = {
  name: "alice",
  uid: 1000,
  group: "alice",
  description: "Alice A.",
  home: "/home/alice",
  createHome: true,
  shell: "/bin/bash",
  hashedPasswordFile: "/persist/passwords/alice",
};
const HERS: GroupPlan = { name: "alice", gid: 1000, members: [] };

test("declared users and groups follow those of the packages, without a password", () => {
  const files = withDeclaredAccounts(DEBIAN, { users: [ALICE], groups: [HERS] });
  assert.equal(files.passwd, `${DEBIAN.passwd}alice:x:1000:1000:Alice A.:/home/alice:/bin/bash\n`);
  assert.equal(files.group, `${DEBIAN.group}alice:x:1000:\n`);
  assert.equal(files.shadow, `${DEBIAN.shadow}alice:*::0:99999:7:::\n`);
  assert.equal(files.gshadow, `${DEBIAN.gshadow}alice:*::\n`);
});

test("nothing declared leaves the packages' accounts as they are", () => {
  assert.deepEqual(withDeclaredAccounts(DEBIAN, { users: [], groups: [] }), DEBIAN);
});

test("a group of a package gains members and keeps its id, its members and its administrators", () => {
  const files = withDeclaredAccounts(DEBIAN, {
    users: [ALICE],
    groups: [HERS, { name: "sudo", gid: null, members: ["alice", "sshd"] }],
  });
  assert.match(files.group, /^sudo:x:27:bob,alice,sshd$/m);
  assert.match(files.gshadow, /^sudo:\*:root:bob,alice,sshd$/m);
});

test("a declared user of a package's name and id replaces it, in place", () => {
  const root = { ...ALICE, name: "root", uid: 0, group: "root", home: "/root", shell: "/bin/zsh", description: "" };
  const files = withDeclaredAccounts(DEBIAN, { users: [root], groups: [] });
  assert.match(files.passwd, /^root:x:0:0::\/root:\/bin\/zsh\n/);
  assert.equal(files.shadow.match(/^root:/gm)?.length, 1);
});

test("what does not fit is refused, with the option to change", () => {
  const user = (change: Partial<UserPlan>): UsersPlan => ({ users: [{ ...ALICE, ...change }], groups: [HERS] });
  const group = (change: Partial<GroupPlan>): UsersPlan => ({ users: [ALICE], groups: [{ ...HERS, ...change }, HERS] });
  const cases: readonly (readonly [string, UsersPlan, RegExp])[] = [
    [
      "a package's uid",
      user({ uid: 100 }),
      /id 100 of the user alice already belongs to the user sshd[\s\S]*users\.users\.alice\.uid/,
    ],
    [
      "another uid than the package's",
      user({ name: "sshd", uid: 5 }),
      /user sshd has the id 100 from a Debian package/,
    ],
    ["a package's gid", group({ name: "staff", gid: 27 }), /group staff already belongs to the group sudo/],
    ["another gid", group({ name: "sudo", gid: 28 }), /group sudo has the id 27[\s\S]*users\.groups\.sudo\.gid/],
    ["no such group to join", group({ name: "docker", gid: null }), /no Debian package .* creates the group docker/],
    ["no primary group", user({ group: "nobodys" }), /primary group nobodys, which does not exist/],
    ["no such member", group({ name: "sudo", gid: null, members: ["eve"] }), /member eve, a user that does not exist/],
    ["a field that ends early", user({ description: "a:b" }), /"a:b" in a field/],
    ["a line that ends early", user({ home: "/home\nroot::0:0" }), /in a field/],
    [
      "two users of one id",
      { users: [ALICE, { ...ALICE, name: "bea" }], groups: [HERS] },
      /already belongs to the user alice/,
    ],
  ];
  for (const [what, plan, reason] of cases) {
    assert.throws(
      () => withDeclaredAccounts(DEBIAN, plan),
      (error) => {
        assert.ok(error instanceof UserError, what);
        assert.match(error.text, reason, what);
        assert.ok(error.detail.length > 0, what);
        return true;
      },
      what,
    );
  }
});
