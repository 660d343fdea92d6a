import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cpioArchive } from "../../src/closure/tree/cpio.ts";
import type { MadeFilePlan } from "../../src/plan/file-plan.ts";

const DATE = 1_700_000_000;
const part = fc.stringMatching(/^[a-z.é-]{1,8}$/).filter((name) => name !== "." && name !== "..");
/** Distinct files, none of which is a folder of another. */
const files: fc.Arbitrary<readonly MadeFilePlan[]> = fc
  .uniqueArray(fc.tuple(fc.array(part, { maxLength: 2 }), part, fc.string(), fc.boolean()), {
    maxLength: 8,
    selector: ([folders, name]) => [...folders, name].join("/"),
  })
  .map((drafts) =>
    drafts.map(([folders, name, text, linked], index): MadeFilePlan => {
      const path = `/${[...folders.map((folder) => `${folder}.d`), `${name}${index}`].join("/")}`;
      return linked ? { kind: "symlink", path, target: `/${text}` } : { kind: "text", path, text, mode: "0750" };
    }),
  );

interface Member {
  readonly path: string;
  readonly mode: number;
  readonly date: number;
  readonly text: string;
}

/** Reads an archive as the kernel does. */
function members(archive: Buffer): Member[] {
  const found: Member[] = [];
  for (let at = 0; ; ) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, date, size, nameLength] = [field(1), field(5), field(6), field(11)];
    const start = at + Math.ceil((110 + nameLength) / 4) * 4;
    const path = archive.toString("utf8", at + 110, at + 110 + nameLength - 1);
    at = start + Math.ceil(size / 4) * 4;
    if (path === "TRAILER!!!") {
      assert.equal(at, archive.length);
      return found;
    }
    found.push({ path, mode, date, text: archive.toString("utf8", start, start + size) });
  }
}

test("an archive holds every file with its mode, and each folder before what is in it", () => {
  fc.assert(
    fc.property(files, (planned) => {
      const found = members(cpioArchive(planned, DATE));
      const byPath = new Map(found.map((member) => [`/${member.path}`, member]));
      for (const file of planned) {
        const member = byPath.get(file.path);
        assert.equal(member?.text, file.kind === "text" ? file.text : file.target);
        assert.equal(member?.mode, file.kind === "text" ? 0o100750 : 0o120777);
      }
      const seen = new Set([""]);
      for (const { path, mode, date } of found) {
        assert.ok(seen.has(path.split("/").slice(0, -1).join("/")), `the folder of ${path} comes later`);
        if ((mode & 0o170000) === 0o040000) seen.add(path);
        assert.equal(date, DATE);
      }
      assert.equal(byPath.size, found.length, "a path comes twice");
    }),
  );
});

test("the same files in another order are the same bytes, and others can be appended", () => {
  fc.assert(
    fc.property(files, (planned) => {
      const archive = cpioArchive(planned, DATE);
      assert.deepEqual(cpioArchive(planned.toReversed(), DATE), archive);
      assert.equal(archive.length % 4, 0);
    }),
  );
});
