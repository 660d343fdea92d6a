import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  formatLock,
  type Lock,
  type LockEntry,
  type PackageRequest,
  packageRequest,
  parseLock,
  requestKey,
} from "../../src/closure/lock/lock.ts";
import { parseDescriptions } from "../../src/closure/lock/resolve.ts";
import { lockChanges, packagesToKeep } from "../../src/closure/lock/update.ts";
import { UserError } from "../../src/errors.ts";

const REQUEST: PackageRequest = {
  suite: "trixie",
  architecture: "amd64",
  archive: [],
  packages: ["tree"],
  locales: [],
};

const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,20}$/);
const lockedPackage = fc.record({
  name,
  version: fc.stringMatching(/^[0-9][A-Za-z0-9.+~:-]{0,10}$/),
  architecture: fc.constantFrom("amd64", "arm64", "all"),
  size: fc.integer({ min: 1 }),
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  path: fc.string({ minLength: 1 }),
});
const entry: fc.Arbitrary<LockEntry> = fc.record({
  request: fc.record({
    suite: fc.constantFrom("trixie", "sid"),
    architecture: fc.constantFrom("amd64", "arm64"),
    archive: fc.array(fc.string()),
    packages: fc.array(name),
    locales: fc.array(fc.string()),
  }),
  date: fc.integer({ min: 1 }),
  packages: fc.uniqueArray(lockedPackage, { minLength: 1, maxLength: 5, selector: (one) => one.name }),
});
const ids = fc
  .uniqueArray(fc.tuple(name, fc.integer({ min: 100, max: 999 })), { maxLength: 5, selector: ([, id]) => id })
  .map((pairs) => Object.fromEntries(pairs.map(([one, id]) => [`_${one.replaceAll("+", "-")}`, id])));
const lock: fc.Arbitrary<Lock> = fc
  .tuple(fc.array(entry, { maxLength: 4 }), ids, ids)
  .map(([entries, users, groups]) => ({
    version: 2,
    requests: Object.fromEntries(entries.map((one) => [requestKey(one.request), one])),
    ids: { users, groups },
  }));

test("a lock is read as it was written, and written the same whatever the order it was made in", () => {
  fc.assert(
    fc.property(lock, (original) => {
      const text = formatLock(original);
      const read = parseLock(text, "nixfleet.lock");
      assert.equal(formatLock(read), text);
      const backwards = (ids: Lock["ids"]["users"]) => Object.fromEntries(Object.entries(ids).toReversed());
      const reversed: Lock = {
        version: 2,
        ids: { users: backwards(original.ids.users), groups: backwards(original.ids.groups) },
        requests: Object.fromEntries(
          Object.entries(original.requests)
            .map(([key, one]) => [key, { ...one, packages: one.packages.toReversed() }] as const)
            .toReversed(),
        ),
      };
      assert.equal(formatLock(reversed), text);
      assert.equal(Object.keys(read.requests).length, Object.keys(original.requests).length);
    }),
  );
});

const PACKAGE = {
  name: "tree",
  version: "1.0",
  architecture: "amd64",
  size: 10,
  sha256: "a".repeat(64),
  path: "pool/tree.deb",
};
const GOOD: Lock = {
  version: 2,
  ids: { users: { sshd: 110 }, groups: { _ssh: 110, kvm: 111 } },
  requests: { [requestKey(REQUEST)]: { request: REQUEST, date: 1_700_000_000, packages: [PACKAGE] } },
};

test("a file that is not a lock is refused with the place, the reason and the way out", () => {
  const text = formatLock(GOOD);
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ["empty", "", /not JSON/],
    ["cut off", text.slice(0, 200), /not JSON/],
    ["a merge", `<<<<<<< mine\n${text}=======\n${text}>>>>>>> theirs\n`, /conflict markers of a merge/],
    ["another document", "[]", /not a lock/],
    ["a newer lock", text.replace('"version": 2,', '"version": 3,'), /version: .*not a version of the lock/],
    ["a short hash", text.replace(PACKAGE.sha256, "abc"), /tree\.sha256, in requests\.\S+: is not a SHA-256/],
    ["no hash", text.replace(/,"sha256":"a+"/, ""), /tree\.sha256, in requests\.\S+: /],
    [
      "a package twice",
      text.replace(/^ *(\{"name".*\})$/m, (line) => `${line},\n${line}`),
      /has tree twice: 1.0 and 1.0/,
    ],
    ["markers of three sides", `{\n<<<<<<< a\n||||||| b\n=======\n>>>>>>> c\n}`, /conflict markers of a merge/],
    [
      "an option for a name",
      text.replace('"name":"tree"', '"name":"-o"'),
      /-o\.name, in requests\.\S+: is not the name/,
    ],
    ["no packages", text.replace(/"packages": \[\s*\{[^}]*\}\s*\]/, '"packages": []'), /packages: /],
    ["a changed request", text.replace('"suite": "trixie"', '"suite": "sid"'), /changed by hand/],
    ["an id of Debian's own", text.replace('"sshd": 110', '"sshd": 33'), /ids\.users\.sshd: is below 100/],
    ["a person's id", text.replace('"sshd": 110', '"sshd": 1000'), /ids\.users\.sshd: is above 999/],
    ["an id that is none", text.replace('"sshd": 110', '"sshd": "110"'), /ids\.users\.sshd: /],
    ["a name that ends its line", text.replace('"sshd"', '"sshd:x"'), /ids\.users\.sshd:x: /],
    ["an unknown field", text.replace('"date"', '"when": 1, "date"'), /when/],
  ];
  for (const [what, bad, reason] of cases) {
    assert.throws(
      () => parseLock(bad, "/fleet/nixfleet.lock"),
      (error) => {
        assert.ok(error instanceof UserError, what);
        assert.match(error.text, reason, what);
        assert.match(error.message, /^\/fleet\/nixfleet\.lock /, what);
        assert.match(error.text, /nixfleet update/, what);
        return true;
      },
      what,
    );
  }
});

test("a lock from before it had ids is read whole, and written with them", () => {
  const old = `{ "version": 1, "requests": ${JSON.stringify(GOOD.requests)} }`;
  const read = parseLock(old, "nixfleet.lock");
  assert.deepEqual(read, { ...GOOD, ids: { users: {}, groups: {} } });
  assert.deepEqual(parseLock(formatLock(read), "nixfleet.lock"), read);
});

test("two branches that gave one id to two accounts are not merged in silence", () => {
  const text = formatLock({ ...GOOD, ids: { users: { sshd: 110, redis: 110 }, groups: {} } });
  assert.throws(
    () => parseLock(text, "/fleet/nixfleet.lock"),
    (error) =>
      error instanceof UserError && /gives one id to two users: redis and sshd[\s\S]*ids\.users/.test(error.text),
  );
});

test("requests are the same lock entry exactly when they ask for the same", () => {
  const plan = { ...REQUEST, packages: ["tree", "less"] };
  const request = packageRequest(plan);
  assert.equal(requestKey(request), requestKey(packageRequest({ ...plan, packages: ["less", "tree", "udev"] })));
  const others = [
    { suite: "sid" },
    { architecture: "arm64" },
    { archive: ["deb copy:/x ./"] },
    { packages: ["tree"] },
    { locales: ["de_DE.UTF-8"] },
  ];
  const keys = others.map((other) => requestKey(packageRequest({ ...plan, ...other })));
  assert.equal(new Set([...keys, requestKey(request)]).size, others.length + 1);
  assert.ok(packageRequest({ ...plan, locales: ["de_DE.UTF-8"] }).packages.includes("locales"));
});

test("of the locked packages of a suite, the newest entry says which version stays", () => {
  const at = (request: PackageRequest, date: number, version: string): LockEntry => ({
    request,
    date,
    packages: [{ ...PACKAGE, version }],
  });
  const entries = [
    at(REQUEST, 3, "3"),
    at({ ...REQUEST, locales: ["a"] }, 2, "2"),
    at({ ...REQUEST, suite: "sid" }, 9, "9"),
    at({ ...REQUEST, architecture: "arm64" }, 8, "8"),
  ];
  const all: Lock = { ...GOOD, requests: Object.fromEntries(entries.map((one) => [requestKey(one.request), one])) };
  assert.deepEqual(
    packagesToKeep(all, { ...REQUEST, packages: ["less"] }).map((one) => one.version),
    ["3"],
  );
});

test("what an update changed is told by package", () => {
  const key = requestKey(REQUEST);
  const having = (versions: Readonly<Record<string, string>>): Lock => ({
    ...GOOD,
    requests: {
      [key]: {
        request: REQUEST,
        date: 1,
        packages: Object.entries(versions).map(([name, version]) => ({ ...PACKAGE, name, version })),
      },
    },
  });
  assert.deepEqual(lockChanges(having({ bb: "1", cc: "1", dd: "1" }), having({ aa: "1", bb: "2", dd: "1" })), [
    { name: "aa", from: null, to: "1" },
    { name: "bb", from: "1", to: "2" },
    { name: "cc", from: "1", to: null },
  ]);
});

test("the archive's description of a package is read whatever else is in it", () => {
  const text = [
    "Package: tree",
    "Version: 2.2.1-1",
    "Architecture: amd64",
    "Description-en: lists",
    " Version: not this one",
    "Filename: pool/main/t/tree/tree_2.2.1-1_amd64.deb",
    "Size: 63456",
    "SHA256: abc",
    "",
    "Package: less",
    "Version: 1",
    "",
    "",
  ].join("\n");
  const read = parseDescriptions(text);
  assert.deepEqual(read.get("tree=2.2.1-1"), {
    name: "tree",
    version: "2.2.1-1",
    architecture: "amd64",
    size: 63456,
    sha256: "abc",
    path: "pool/main/t/tree/tree_2.2.1-1_amd64.deb",
  });
  assert.deepEqual([...read.keys()], ["tree=2.2.1-1", "less=1"]);
});
