/** docs/security.md and docs/fleet-trust.md promise nothing that no test holds. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE_ROOT } from "../../src/local/package.ts";

const page = ["security.md", "fleet-trust.md"]
  .map((name) => readFileSync(join(PACKAGE_ROOT, "docs", name), "utf8"))
  .join("\n\n");
/** Rows of two columns, whose second says `FILE`: the beginning of a test's name. */
const promises = [...page.matchAll(/^\| (.+) \| `(test\/[^`]+)`: (.+) \|$/gm)].map(
  ([, promise = "", file = "", name = ""]) => ({
    promise,
    file,
    name,
  }),
);

/** Of a test, or of a fault that one goes through. */
const BEGINNINGS = ['test("', "test(`", "test('", 'fault: "'];

test("each sentence of both names a test that exists", () => {
  assert.ok(promises.length > 30);
  for (const { promise, file, name } of promises) {
    const path = join(PACKAGE_ROOT, file);
    assert.ok(existsSync(path), `${promise}: there is no ${file}`);
    const text = readFileSync(path, "utf8");
    const escaped = name.replaceAll('"', '\\"');
    const named = BEGINNINGS.some((begin) => text.includes(`${begin}${name}`) || text.includes(`${begin}${escaped}`));
    assert.ok(named, `${promise}: ${file} has no test whose name begins with "${name}"`);
  }
});

test("each table of promises has a test in every row", () => {
  const tables = page.split(/\n\n/).filter((part) => part.startsWith("| what holds | test |"));
  const rows = tables.flatMap((table) => table.trim().split("\n").slice(2));
  assert.equal(rows.length, promises.length);
});
