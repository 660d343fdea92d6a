/** Entries inside others, at random: one path has one owner and one mode, and they are those that are declared. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { tmpfilesConfig } from "../../src/plan/activation.ts";
import { drawnEntries, persisting } from "../nested-entries.ts";

test("one path has one line, with its own owner and mode, however entries lie in each other", () => {
  let made = 0;
  fc.assert(
    fc.property(drawnEntries, (drawn) => {
      const plan = persisting(drawn);
      if (plan instanceof UserError) return;
      made++;
      const lines = tmpfilesConfig(plan).trim().split("\n");
      const paths = lines.map((line) => /^. "([^"]*)"/.exec(line)?.[1] ?? "");
      assert.equal(new Set(paths).size, paths.length, lines.join("\n"));
      const roots = ["", ...new Set(plan.entries.map(({ persistRoot }) => persistRoot))].toReversed();
      for (const [index, path] of paths.entries()) {
        if (lines[index]?.startsWith("L ")) continue;
        const root = roots.find((one) => one !== "" && path.startsWith(`${one}/`)) ?? "";
        const declared = drawn.find((one) => one.path === path.slice(root.length));
        if (declared === undefined) continue;
        const { user, mode } = declared;
        assert.match(lines[index] ?? "", new RegExp(`:?${mode ?? "[0-7]{4}"} :?${user ?? "\\w+"} `), path);
      }
      // Every entry has its data, and a place to appear in.
      for (const { source, kind, how } of plan.entries) {
        assert.ok(paths.includes(source) || (kind === "file" && how === "symlink"), source);
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(made > 50, `only ${made} of the drawn lists could be persisted`);
});

test("the same entries in another order give the same plan", () => {
  fc.assert(
    fc.property(drawnEntries, (drawn) => {
      const [one, other] = [persisting(drawn), persisting(drawn.toReversed())];
      if (one instanceof UserError || other instanceof UserError)
        assert.ok(one instanceof UserError && other instanceof UserError);
      else assert.equal(tmpfilesConfig(one), tmpfilesConfig(other));
    }),
    { numRuns: 60 },
  );
});
