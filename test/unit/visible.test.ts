/** What others have named changes neither the terminal nor the lines, and no two names look alike: in both languages. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { table } from "../../src/cli/output.ts";
import { UserError } from "../../src/errors.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { visible, visibleJson, visibleLines, visibleName } from "../../src/visible.ts";
import { HOSTILE_NAMES, UNSEEN } from "../hostile-names.ts";

const REPORT = join(WIPE_SCRIPT, "..", "report.sh");
const READ = join(WIPE_SCRIPT, "../../host/read-report.sh");

/** What a script that has sourced report.sh prints, as bytes. */
function shell(script: string, input: Buffer): Buffer {
  const whole = `set -eu; export LC_ALL=C; . "$0"; name=$(cat; printf x); name=\${name%x}; ${script}`;
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", whole, REPORT], { input });
  assert.equal(status, 0, String(stderr));
  return Buffer.concat([stdout, stderr]);
}

const isText = (name: Buffer) => Buffer.from(name.toString()).equals(name);

describe("a hostile name", () => {
  for (const [what, name] of HOSTILE_NAMES) {
    test(`${what}: one line that can be read, in every way it is printed`, () => {
      const printed: readonly (readonly [string, string])[] = [
        ["show", shell('show "$name"; printf %s "$shown"', name).toString()],
        ["say", shell('say "$name"', name).toString().trimEnd()],
        ["a list", shell('printf "%s\\0" "$name" | visible', name).toString().trimEnd()],
        ["a report", shell('show "$name"; reportValue name "$shown"', name).toString().trimEnd()],
        ["a report of what was not shown", shell('reportValue name "$name"', name).toString().trimEnd()],
        ["visible", visible(name.toString())],
        ["an error", new UserError(name.toString()).text],
        ["its detail", new UserError("", [name.toString()]).text.trim()],
        [
          "a table",
          table(["name"], [[name.toString()]])
            .split("\n")
            .slice(2)
            .join("\n"),
        ],
        ["JSON", visibleJson(JSON.stringify(name.toString()))],
      ];
      for (const [where, text] of printed) {
        assert.doesNotMatch(text, UNSEEN, where);
        assert.notEqual(text, "", where);
      }
    });

    test(`${what}: both languages show it alike`, () => {
      if (isText(name))
        assert.equal(shell('show "$name"; printf %s "$shown"', name).toString(), visibleName(name.toString()));
    });

    test(`${what}: JSON has its true value`, () => {
      assert.equal(JSON.parse(visibleJson(JSON.stringify(name.toString()))), name.toString());
      const asked = `. '${READ}'; show "$name"; json it "$(reportValue name "$shown")" name`;
      const { it } = JSON.parse(`{${shell(asked, name).toString().slice(1)}}`);
      assert.equal(it.name, shell('show "$name"; printf %s "$shown"', name).toString());
    });
  }

  test("no two look alike", () => {
    const shown = HOSTILE_NAMES.map(([, name]) => shell('show "$name"; printf %s "$shown"', name).toString());
    assert.equal(new Set(shown).size, HOSTILE_NAMES.length);
  });
});

test("both languages see every character alike, and leave those that people write with as they are", () => {
  const points = Array.from({ length: 0x110000 - 1 }, (_, index) => index + 1).filter(
    (it) => it < 0xd800 || it > 0xdfff,
  );
  // A sample of what has no characters, or thousands alike.
  const some = points.filter((it) => it < 0x11000 || (it >= 0x1b000 && it < 0x20000) || it % 97 === 0);
  const all = some.map((point) => String.fromCodePoint(point));
  const { stdout } = spawnSync("/bin/sh", ["-c", '. "$0"; visible', REPORT], {
    input: all.join("\0"),
    maxBuffer: 1 << 26,
  });
  const byShell = stdout.toString().split("\n");
  const different = all.filter((character, index) => byShell[index] !== visible(character));
  assert.deepEqual(
    different.map((it) => it.codePointAt(0)?.toString(16)),
    [],
  );
  for (const text of ["…→“é”", "Ünïcödé", "Привет", "日本語", "한국어", "עברית", "😀", '"\\n"']) {
    assert.equal(visibleLines(text), text);
    assert.equal(shell('printf "%s\\0" "$name" | visible', Buffer.from(text)).toString(), `${text}\n`);
  }
});

test("a script of the initrd says what it says by report.sh, where nothing can be forgotten", () => {
  const folder = join(WIPE_SCRIPT, "..");
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".sh") && name !== "report.sh")) {
    const lines = readFileSync(join(folder, file), "utf8").split("\n");
    assert.deepEqual(
      lines.filter((line) => /^[^#]*(echo|printf)\b.*>&2/.test(line)),
      [],
      file,
    );
  }
});

test("what the command line prints passes output.ts, where nothing can be forgotten", () => {
  const src = join(PACKAGE_ROOT, "src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const printing = files.filter((name) =>
    /process\.std(out|err)\.write|console\.(log|error|warn|info)\(/.test(readFileSync(join(src, name), "utf8")),
  );
  // What one types a passphrase at is a text of its own.
  assert.deepEqual(printing.sort(), ["cli/output.ts", "disk/ask.ts"]);
});
