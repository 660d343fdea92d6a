/** src/payload/initrd/ids.sh, by the shell of the initrd. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";

const IDS = join(WIPE_SCRIPT, "../ids.sh");

interface Ids {
  readonly [name: string]: number;
}

/** A host that boots closures one after the other; `users` are in its passwd. */
function host(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "nixfleet-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const [maps, etc] = [join(folder, "maps"), join(folder, "etc")];
  mkdirSync(maps);
  mkdirSync(etc);
  return {
    map: (kind: "uid" | "gid") => join(maps, `${kind}-map`),
    files: () => readdirSync(maps).sort(),
    /** @returns what is complained of, a line each */
    boot(users: Ids, groups: Ids = {}): string[] {
      const lines = (ids: Ids, rest: string) =>
        Object.entries({ root: 0, daemon: 1, ...ids, nobody: 65534 })
          .map(([name, id]) => `${name}:x:${id}:${rest}\n`)
          .join("");
      writeFileSync(join(etc, "passwd"), lines(users, "100::/:/bin/sh"));
      writeFileSync(join(etc, "group"), lines(groups, "a,b"));
      const script = `set -eu; unset IFS; complain() { printf '%s\\n' "$1"; }; . "$1"; keepIds "$2" "$3"; echo end`;
      const said = execFileSync("/bin/sh", ["-c", script, "sh", IDS, maps, etc], { encoding: "utf8", timeout: 5000 });
      const all = said.trimEnd().split("\n");
      assert.equal(all.at(-1), "end");
      return all.slice(0, -1);
    },
    recorded: (kind: "uid" | "gid") => JSON.parse(readFileSync(join(maps, `${kind}-map`), "utf8")),
  };
}

test("the ids that accounts have are kept, one a line, and an account more is added", (context) => {
  const it = host(context);
  assert.deepEqual(it.boot({ sshd: 231, alice: 1000 }, { _ssh: 140 }), []);
  assert.equal(readFileSync(it.map("uid"), "utf8"), '{\n  "sshd": 231,\n  "alice": 1000\n}\n');
  assert.equal(readFileSync(it.map("gid"), "utf8"), '{\n  "_ssh": 140\n}\n');
  assert.equal(statSync(it.map("uid")).mode & 0o777, 0o644);
  assert.deepEqual(it.boot({ avahi: 120, sshd: 231, alice: 1000 }, { _ssh: 140 }), []);
  assert.deepEqual(it.recorded("uid"), { sshd: 231, alice: 1000, avahi: 120 });
  assert.deepEqual(it.files(), ["gid-map", "uid-map"]);
});

test("an account that is gone stays in the map, and where nothing is new the map is not touched", (context) => {
  const it = host(context);
  it.boot({ sshd: 231, avahi: 120 });
  const { ino, ctimeMs } = lstatSync(it.map("uid"));
  assert.deepEqual(it.boot({ sshd: 231 }), []);
  const after = lstatSync(it.map("uid"));
  assert.deepEqual([after.ino, after.ctimeMs], [ino, ctimeMs]);
  assert.deepEqual(it.recorded("uid"), { sshd: 231, avahi: 120 });
});

test("another id than the recorded one is said with its fix, and the record stays", (context) => {
  const it = host(context);
  it.boot({ postgres: 105, backup: 610, alice: 1000 }, { postgres: 107, people: 1500 });
  const said = it.boot({ postgres: 231, backup: 611, alice: 1001 }, { postgres: 107, people: 400 });
  const ends = ", then build again";
  assert.deepEqual(said, [
    `the user postgres has the id 231 in this closure, but its data on this host belongs to 105: set "postgres": 105 in ids.users of nixfleet.lock${ends}`,
    `the user backup has the id 611 in this closure, but its data on this host belongs to 610: set users.users.backup.uid = 610${ends}`,
    `the user alice has the id 1001 in this closure, but its data on this host belongs to 1000: set users.users.alice.uid = 1000${ends}`,
    `the group people has the id 400 in this closure, but its data on this host belongs to 1500: set users.groups.people.gid = 1500${ends}`,
  ]);
  assert.deepEqual(it.recorded("uid"), { postgres: 105, backup: 610, alice: 1000 });
});

test("an id that was another's is said, and is not recorded for the new one", (context) => {
  const it = host(context);
  it.boot({ redis: 205, sshd: 231 });
  assert.deepEqual(it.boot({ sshd: 231, mallory: 205 }), [
    "the user mallory has the id 205, which belonged to redis: data of redis on the persist root now belongs to mallory",
  ]);
  assert.deepEqual(it.recorded("uid"), { redis: 205, sshd: 231 });
});

for (const [what, text] of [
  ["NixOS's own, on one line", '{"alice":1000,"sshd":231}'],
  ["indented, with a newline more", '{\n\t"alice" : 1000 ,\n\n "sshd":231\n}\n\n'],
  ["an empty object", "{}\n"],
] as const) {
  test(`a map is read that is ${what}`, (context) => {
    const it = host(context);
    writeFileSync(it.map("uid"), text);
    assert.deepEqual(it.boot({ alice: 1000, sshd: 231, new: 300 }), []);
    assert.deepEqual(it.recorded("uid"), { alice: 1000, sshd: 231, new: 300 });
  });
}

for (const [what, text] of [
  ["empty, as after a power cut", ""],
  ["cut short in a number", '{\n  "alice": 10'],
  ["cut short after a line", '{\n  "sshd": 231,\n'],
  ["cut short in a name", '{"alice": 1000, "ss}'],
  ["without a number", '{"alice": 1000, "sshd"}'],
  ["without a name", '{"alice": 1000, 231}'],
  ["a list", "[1000]"],
  ["with a number in quotes", '{"alice": "1000"}'],
  ["with a negative number", '{"alice": -1}'],
  ["with a number that shells read as octal", '{"alice": 0750}'],
  ["with a number that no shell can hold", '{"alice": 99999999999999999999}'],
  ["with code for a name", '{"$(touch /tmp/owned)": 1000}'],
  ["with a pattern for a name", '{"*": 1000}'],
  ["with a space in a name", '{"al ice": 1000}'],
  ["two documents", '{"alice": 1000}\n{"alice": 1001}\n'],
] as const) {
  test(`a map ${what} is said and left as it is, and the other one is kept`, (context) => {
    const it = host(context);
    writeFileSync(it.map("uid"), text);
    const said = it.boot({ alice: 1000 }, { alice: 1000 });
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /uid-map is not a map of ids.*repair the file, or remove it/);
    assert.equal(readFileSync(it.map("uid"), "utf8"), text);
    assert.deepEqual(it.recorded("gid"), { alice: 1000 });
  });
}

test("a map that is no file is not read, followed or waited for", (context) => {
  const it = host(context);
  const elsewhere = `${it.map("uid")}-elsewhere`;
  writeFileSync(elsewhere, "{}\n");
  symlinkSync(elsewhere, it.map("uid"));
  execFileSync("mkfifo", [it.map("gid")]);
  assert.equal(it.boot({ alice: 1000 }, { alice: 1000 }).length, 2);
  assert.equal(readFileSync(elsewhere, "utf8"), "{}\n");
  assert.ok(lstatSync(it.map("gid")).isFIFO());
});

test("large ids are kept too, but for those that are given for a while", (context) => {
  const it = host(context);
  assert.deepEqual(it.boot({ "Anna.Maria": 1200001, old: 60000, dynamic: 61200, huge: 4294967294 }), []);
  assert.deepEqual(it.recorded("uid"), { "Anna.Maria": 1200001, old: 60000, huge: 4294967294 });
  assert.match(it.boot({ "Anna.Maria": 1200002 }).join(), /Anna\.Maria has the id 1200002/);
});

test("what a boot that was cut off left half written is no map, and in nobody's way", (context) => {
  const it = host(context);
  symlinkSync("/etc/passwd", `${it.map("uid")}.new`);
  assert.deepEqual(it.boot({ alice: 1000 }), []);
  assert.deepEqual(it.recorded("uid"), { alice: 1000 });
  assert.ok(!existsSync(`${it.map("uid")}.new`));
});

test("a map that cannot be written is said", (context) => {
  const it = host(context);
  rmSync(join(it.map("uid"), ".."), { recursive: true });
  const said = it.boot({ alice: 1000 }, { alice: 1000 });
  assert.match(said[0] ?? "", /cannot write \S+uid-map/);
  mkdirSync(join(it.map("uid"), ".."));
});

test("no process is started where nothing is new", (context) => {
  const it = host(context);
  const ids = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`user-${i}`, 1000 + i]));
  it.boot(ids, ids);
  const [folder, etc] = [join(it.map("uid"), ".."), join(it.map("uid"), "../../etc")];
  const script = `set -eu; PATH=/nowhere; complain() { echo "$1" >&2; exit 1; }; . "$1"; keepIds "$2" "$3"`;
  const { status, stderr } = spawnSync("/bin/sh", ["-c", script, "sh", IDS, folder, etc], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
});
