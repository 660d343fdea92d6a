import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_IDS } from "../../src/closure/lock/account-ids.ts";
import { repositoryLine } from "../../src/closure/lock/repository.ts";
import { packageInputs, refuseForeign } from "../../src/closure/tree/package-object.ts";
import { UserError } from "../../src/errors.ts";

test("an architecture that this machine can neither run nor emulate is refused, naming what helps", () => {
  assert.throws(
    () => refuseForeign("s390x"),
    (error) => error instanceof UserError && /for s390x[\s\S]*qemu-user-static/.test(error.text),
  );
});

test("a cache folder with spaces and other signs is one word in sources.list", () => {
  assert.equal(repositoryLine("/a cache/é[x]"), "deb [trusted=yes] copy:/a%20cache/%C3%A9%5Bx%5D ./");
});

test("a package object is another one when a locked package, the date, the locales or an id change", () => {
  const one = { name: "aa", version: "1", architecture: "all", size: 1, sha256: "a".repeat(64), path: "aa.deb" };
  const request = { suite: "trixie", architecture: "amd64", archive: [], packages: ["aa"], locales: [] };
  const entry = { request, date: 1, packages: [one] };
  const inputs = [
    entry,
    { ...entry, date: 2 },
    { ...entry, packages: [{ ...one, sha256: "b".repeat(64) }] },
    { ...entry, request: { ...request, locales: ["de_DE.UTF-8"] } },
  ].map((one) => packageInputs(one, NO_IDS));
  inputs.push(packageInputs(entry, null), packageInputs(entry, { users: { aa: 101 }, groups: {} }));
  assert.equal(new Set(inputs).size, inputs.length);
  assert.equal(packageInputs(entry, NO_IDS), inputs[0]);
});
