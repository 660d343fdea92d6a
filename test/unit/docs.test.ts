import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { diskoTemplates } from "../../src/index.ts";
import { WIPE_PAGE, withFaultTable } from "../btrfs/fault-table.ts";
import { FAULTS } from "../btrfs/faults.ts";
import { diskTableCells, diskTableRows } from "../disk-table.ts";
import { DISKS_PAGE, EXAMPLES, withExampleTable } from "./disko-examples.ts";
import { planWith } from "./host.ts";
import { rolesTable, scopesReference } from "./scopes-reference.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");

test("docs/persistence.md lists every default entry, with the purpose that the code gives", () => {
  const text = readFileSync(join(docs, "persistence.md"), "utf8");
  const wanted = planWith().persistence.entries.map(({ kind, path, purpose }) => {
    const shown = `${path}${kind === "directory" ? "/" : ""}`.replace("/home/alice/", "~/");
    return `| \`${shown}\` | ${purpose} |`;
  });
  const section = text
    .split("## What the framework persists")[1]
    ?.split("\n\n")
    .find((part) => part.startsWith("| path | purpose |"));
  assert.deepEqual(section?.split("\n").slice(2), wanted);
});

test("docs/scopes.md lists every role and scope, its options and what it persists, as the code has them", () => {
  const text = readFileSync(join(docs, "scopes.md"), "utf8");
  const again = "run: node_modules/.bin/node test/unit/scopes-reference.ts";
  assert.ok(text.includes(`\n${rolesTable()}\n`), again);
  assert.equal(text.split("\n## Every scope\n\n")[1], `${scopesReference()}\n`, again);
});

test("docs/wipe.md lists every fault that is tested, and what then happens (node test/btrfs/fault-table.ts writes it)", () => {
  const page = readFileSync(WIPE_PAGE, "utf8");
  assert.equal(page, withFaultTable(page));
  assert.ok(FAULTS.every(({ fault }) => page.includes(`| ${fault} | `)));
});

test("docs/architecture.md names for each file of a closure who writes and who reads it, and they know it", () => {
  const rows = [
    ...readFileSync(join(docs, "architecture.md"), "utf8").matchAll(/^\| `([\w.]+)` \| .+ \| (.+) \| (.+) \|$/gm),
  ];
  assert.equal(rows.length, 18);
  for (const [, name = "", writers, readers] of rows) {
    for (const [, path = ""] of `${writers} ${readers}`.matchAll(/\]\(([^)]+)\)/g)) {
      const text = readFileSync(join(docs, path), "utf8");
      // Of what is rendered the name is given by build.ts.
      assert.ok(
        text.includes(name) || path.includes("/plan/") || path.endsWith("initrd/files.ts"),
        `${name} in ${path}`,
      );
    }
  }
});

test("docs/disks.md says of each of disko's examples whether it works (node test/unit/disko-examples.ts writes it)", () => {
  const page = readFileSync(DISKS_PAGE, "utf8");
  assert.equal(page, withExampleTable(page));
  assert.ok(Object.keys(EXAMPLES).every((name) => page.includes(`| \`${name}\` | `)));
});

test("docs/disks.md has a row for every template, and each of its cells names a test that fills it", () => {
  const cells = diskTableCells();
  assert.deepEqual([...diskTableRows()].sort(), Object.keys(diskoTemplates).sort());
  for (const file of new Set(cells.map((cell) => cell.file))) {
    const text = readFileSync(join(docs, "..", "test", file), "utf8");
    assert.match(text, /new DiskTable\(import\.meta\.filename\)[\s\S]*table\.check\(\)/, file);
  }
});
