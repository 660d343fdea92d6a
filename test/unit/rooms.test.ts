import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";

const SRC = join(import.meta.dirname, "..", "..", "src");

/** From left to right, as in CONTRIBUTING.md. `machine` is beside them: it knows errors, and nothing else. */
const ROOMS = [
  "modules",
  "layout",
  "system",
  "scopes",
  "plan",
  "fleet",
  "roles",
  "closure",
  "state",
  "disk",
  "initrd",
  "host",
  "vm",
  "deploy",
  "cli",
  "demo",
];

/** What stays pure: no files, no processes, no clock. */
const PURE = new Set(["modules", "layout", "system", "scopes", "plan", "fleet", "roles"]);

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.includes("/") && file.endsWith(".ts"),
);

function imports(file: string): string[] {
  return [...readFileSync(join(SRC, file), "utf8").matchAll(/from "([^"]+)"/g)].map(([, name = ""]) => name);
}

test("no room imports from a room to its right", () => {
  for (const file of files) {
    const room = file.split("/")[0] ?? "";
    for (const name of imports(file).filter((one) => one.startsWith("."))) {
      const [to = ""] = relative(SRC, join(SRC, file, "..", name)).split("/");
      if (to === room || to === "machine" || to === "..") continue;
      if (room === "machine") assert.equal(to, "modules", file);
      else assert.ok(ROOMS.includes(to) && ROOMS.indexOf(to) < ROOMS.indexOf(room), `${file} imports ${name}`);
    }
  }
});

test("the rooms left of the closure are pure", () => {
  for (const file of files.filter((one) => PURE.has(one.split("/")[0] ?? ""))) {
    // `node:url` computes, and nothing else.
    const impure = imports(file).filter(
      (name) => name.includes("/machine/") || (name.startsWith("node:") && name !== "node:url"),
    );
    assert.deepEqual(impure, [], file);
  }
});
