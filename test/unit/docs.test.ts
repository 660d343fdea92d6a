import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planWith } from "./host.ts";

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
