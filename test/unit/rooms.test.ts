import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";

const SRC = join(import.meta.dirname, "..", "..", "src");

/** What stays pure: no files, no processes, no clock. */
const PURE = ["modules", "layout", "system", "scopes", "plan", "fleet", "roles", "wire", "emit", "import"];

/** From left to right, as in CONTRIBUTING.md. */
const ROOMS = [
  ...PURE,
  "local",
  "closure",
  "content",
  "release",
  "audit",
  "disk",
  "payload",
  "vm",
  "deploy",
  "agent",
  "control",
  "cli",
  "demo",
];

const all = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const files = all.filter((file) => file.includes("/"));

/** Those of types too. */
function imports(file: string): string[] {
  return [...readFileSync(join(SRC, file), "utf8").matchAll(/(?:from|import\() ?"([^"]+)"/g)].map(
    ([, name = ""]) => name,
  );
}

/** The files of this project that a file imports. */
function imported(file: string): string[] {
  return imports(file)
    .filter((name) => name.startsWith("."))
    .map((name) => relative(SRC, join(SRC, file, "..", name)));
}

test("no room imports from a room to its right", () => {
  for (const file of files) {
    const room = file.split("/")[0] ?? "";
    for (const name of imported(file)) {
      const [to = ""] = name.split("/");
      // Files of src itself are the ground floor.
      if (to === room || to.endsWith(".ts")) continue;
      assert.ok(ROOMS.includes(to) && ROOMS.indexOf(to) < ROOMS.indexOf(room), `${file} imports ${name}`);
    }
  }
});

test("the rooms left of this computer are pure", () => {
  for (const file of files.filter((one) => PURE.includes(one.split("/")[0] ?? ""))) {
    // `node:url` computes, and nothing else.
    const impure = imports(file).filter(
      (name) => name.includes("/local/") || (name.startsWith("node:") && name !== "node:url"),
    );
    assert.deepEqual(impure, [], file);
  }
});

test("no file imports itself through others, not even for types", () => {
  const done = new Set<string>();
  const look = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), `${[...way.slice(way.indexOf(file)), file].join(" imports ")}`);
    if (done.has(file)) return;
    for (const next of imported(file)) look(next, [...way, file]);
    done.add(file);
  };
  for (const file of all) look(file, []);
});
