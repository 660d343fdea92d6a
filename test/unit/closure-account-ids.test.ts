import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AccountIds, hasIdsOf, idsOf, NO_IDS, withIdsOf } from "../../src/closure/lock/account-ids.ts";
import { UserError } from "../../src/errors.ts";

const account = fc.stringMatching(/^[a-z_][a-z0-9-]{0,6}$/);
const names: fc.Arbitrary<AccountIds> = fc
  .tuple(fc.uniqueArray(account, { maxLength: 30 }), fc.uniqueArray(account, { maxLength: 30 }))
  .map(([users, groups]) => ({ users: named(users), groups: named(groups) }));

/** As an installation leaves them: whatever number came next. */
function named(list: readonly string[]): Record<string, number> {
  return Object.fromEntries(list.map((name, i) => [name, 999 - i]));
}

test("an account keeps its id whatever comes and goes, and no two have the same", () => {
  fc.assert(
    fc.property(fc.array(names, { minLength: 1, maxLength: 8 }), (builds) => {
      let ids = NO_IDS;
      for (const build of builds) {
        const next = withIdsOf(build, ids);
        assert.deepEqual(idsOf(ids, next), ids);
        assert.ok(hasIdsOf(build, next));
        assert.deepEqual(withIdsOf(build, next), next);
        for (const kind of ["users", "groups"] as const) {
          const values = Object.values(next[kind]);
          assert.equal(new Set(values).size, values.length);
          assert.ok(values.every((id) => id >= 101 && id <= 399));
        }
        ids = next;
      }
    }),
  );
});

test("ids do not depend on the numbers or the order of the installation", () => {
  fc.assert(
    fc.property(names, ({ users, groups }) => {
      const backwards = { users: named(Object.keys(users).reverse()), groups: named(Object.keys(groups).reverse()) };
      assert.deepEqual(withIdsOf(backwards, NO_IDS), withIdsOf({ users, groups }, NO_IDS));
    }),
  );
});

test("a user and a group of one name get one id, and nobody else's of the other kind", () => {
  const both = named(["messagebus", "sshd", "kvm"]);
  const ids = withIdsOf({ users: both, groups: both }, NO_IDS);
  assert.deepEqual(ids.users, ids.groups);
  const later = withIdsOf({ users: { kvm: 1 }, groups: {} }, { users: {}, groups: ids.groups });
  assert.equal(later.users.kvm, ids.groups.kvm);
  const taken = withIdsOf({ users: { kvm: 1 }, groups: {} }, { users: { other: 300 }, groups: { kvm: 300 } });
  assert.notEqual(taken.users.kvm, 300);
});

test("a fleet that lost its lock gets most of its ids again", () => {
  const first = named(Array.from({ length: 40 }, (_, i) => `service-${i}`));
  const { users: before } = withIdsOf({ users: first, groups: {} }, NO_IDS);
  const fewer = Object.fromEntries(Object.entries(first).filter((_, i) => i % 4 !== 0));
  const { users: again } = withIdsOf({ users: fewer, groups: {} }, NO_IDS);
  const same = Object.keys(again).filter((name) => again[name] === before[name]);
  assert.ok(same.length > 24, `${same.length} of 30`);
});

test("when no id is left, that is said, with what to do", () => {
  const many = named(Array.from({ length: 300 }, (_, i) => `u${i}`));
  assert.throws(
    () => withIdsOf({ users: many, groups: {} }, NO_IDS),
    (error) => error instanceof UserError && /no id from 101 to 399 is free for u\d+[\s\S]*ids/.test(error.text),
  );
});
