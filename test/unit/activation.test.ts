import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { bindFstab, entriesList, ownersList, tmpfilesConfig } from "../../src/plan/activation.ts";
import { fstabLine } from "../../src/plan/fstab.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { entryAt } from "../entry.ts";
import { planWith } from "./host.ts";

const planOf = (...entries: PersistenceEntry[]) => ({ persistRoot: "/persist", entries, parents: [], keys: [] });

/** Names as hostile as a file's can be, but for control characters, which evaluation refuses. */
const name = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).map((text) => text.replace(/[\p{Cc}/]/gu, "x")),
    fc.constantFrom("a b", 'a"b', "a'b", "a\\b", "%h", "100%", "#a", "ä€😀", "a\\040b", "a,b", " a", "a ", "\\", '"'),
  )
  .filter((text) => text !== "." && text !== ".." && text.isWellFormed());

test("fstab escapes what getmntent reads as something else", () => {
  assert.equal(fstabLine("/a b\t\\#", "/c", "none", ["bind"]), "/a\\040b\\011\\134\\043 /c none bind 0 0");
});

test("mount reads every path back as it was declared", () => {
  fc.assert(
    fc.property(name, (part) => {
      const folder = mkdtempSync(join(tmpdir(), "nixfleet-"));
      try {
        writeFileSync(join(folder, "fstab"), bindFstab(planOf(entryAt(`/srv/${part}`))));
        const read = execFileSync(
          "findmnt",
          ["--tab-file", join(folder, "fstab"), "--json", "--output", "TARGET,SOURCE"],
          { encoding: "utf8" },
        );
        assert.deepEqual(JSON.parse(read).filesystems, [
          { target: `/srv/${part}`, source: `/sysroot/persist/srv/${part}` },
        ]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

test("systemd-tmpfiles makes every path as it was declared, and nothing else", () => {
  fc.assert(
    fc.property(name, (part) => {
      const folder = mkdtempSync(join(tmpdir(), "nixfleet-"));
      try {
        const own = { user: String(process.getuid?.()), group: String(process.getgid?.()) };
        const made = entryAt(`${folder}/made/${part}`, { source: `${folder}/data/${part}`, ...own });
        const linked = entryAt(`${folder}/linked/${part}`, {
          source: `/persist/${part}`,
          how: "symlink",
          kind: "file",
        });
        execFileSync("systemd-tmpfiles", ["--create", "-"], { input: tmpfilesConfig(planOf(made, linked)) });
        assert.deepEqual(readdirSync(join(folder, "made")), [part]);
        assert.deepEqual(readdirSync(join(folder, "data")), [part]);
        assert.equal(readlinkSync(join(folder, "linked", part)), `/persist/${part}`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 60 },
  );
});

test("a newline is refused by both", () => {
  assert.throws(
    () => bindFstab(planOf(entryAt("/srv/a\nb"))),
    (error) => error instanceof UserError && /newline/.test(error.text),
  );
  assert.throws(() => tmpfilesConfig(planOf(entryAt("/srv/a\nb"))), /cannot stand/);
});

test("what exists keeps its owner and mode, but for the owner of the primary user's home", () => {
  const lines = tmpfilesConfig(planWith().persistence).trim().split("\n");
  const ensured = lines.filter((line) => !line.startsWith("L ") && !/^[df] ".*" :0\d{3} :\S+ :\S+ -$/.test(line));
  assert.deepEqual(ensured, ['d "/home/alice" :0700 alice alice -', 'd "/persist/home/alice" :0700 alice alice -']);
});

test("an entry is bound or linked; a linked file is its program's to make, so it has no declared owner", () => {
  const plan = planOf(
    entryAt("/a", { mode: "0700", user: "alice" }),
    entryAt("/b", { how: "symlink" }),
    entryAt("/c", { kind: "file", how: "symlink" }),
  );
  assert.equal(bindFstab(plan), "/sysroot/persist/a /a none bind,x-initrd.mount 0 0\n");
  assert.match(tmpfilesConfig(plan), /^L "\/b" - - - - \/persist\/b$/m);
  assert.doesNotMatch(tmpfilesConfig(plan), /^f/m);
  assert.match(entriesList(plan.entries), /^file\tsymlink\t\/persist\t\/c\t-$/m);
  assert.equal(ownersList(plan), "0700\talice\troot\t/persist/a\n0755\troot\troot\t/persist/b\n");
});

test("inside another entry of its persist root an entry is made and not mounted; inside one of another it is both", () => {
  const inner = entryAt("/a/b", { within: { path: "/a", persistRoot: "/persist" } });
  assert.equal(bindFstab(planOf(inner)), "");
  assert.equal(entriesList([inner]), "");
  assert.equal(tmpfilesConfig(planOf(inner)), 'd "/persist/a/b" :0755 :root :root -\n');
  const other = { ...inner, persistRoot: "/data", source: "/data/a/b" };
  assert.equal(bindFstab(planOf(other)), "/sysroot/data/a/b /a/b none bind,x-initrd.mount 0 0\n");
  assert.match(tmpfilesConfig(planOf(other)), /^d "\/persist\/a\/b"/m);
});
