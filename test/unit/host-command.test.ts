import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";

const SCRIPTS = join(import.meta.dirname, "..", "..", "src", "host");
const scratch = mkdtempSync(join(tmpdir(), "nixfleet-host-"));
const folder = join(scratch, "etc");
const runtime = join(scratch, "run");
const motd = join(scratch, "motd.d", "nixfleet");
after(() => rmSync(scratch, { recursive: true }));

/** As /usr/local/bin/nixfleet is called: through a link. */
function nixfleet(...args: readonly string[]) {
  return call(join(scratch, "nixfleet"), ...args);
}

function call(command: string, ...args: readonly string[]) {
  const env = { ...process.env, RUNTIME: runtime, MOTD: motd };
  const { status, stdout, stderr } = spawnSync("/bin/sh", [command, ...args], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

interface Reports {
  readonly wipe?: object | string;
  readonly activation?: object | string;
  readonly generation?: object | string;
  readonly prune?: object | string;
}

/** As the scripts write them: each on one line. */
function write(reports: Reports): void {
  for (const [name, report] of Object.entries(reports)) {
    writeFileSync(join(runtime, `${name}.json`), typeof report === "string" ? report : `${JSON.stringify(report)}\n`);
  }
}

const WIPED = {
  outcome: "wiped",
  reason: null,
  steps: [{ name: "mountFilesystem", milliseconds: 4 }],
  retired: "20261123T000312.000Z",
  pruned: ["20200101T000000.000Z"],
  created: "snapshot",
  closure: "/nix/store/abc-nixfleet-host",
};
const COMPLETE = { outcome: "complete", closure: "/nix/store/abc-nixfleet-host", problems: [] };
const PRUNED = { outcome: "complete", reason: null, pruned: [], left: [] };
const HOSTILE = 'he said: ","problems":["x"],"outcome":"wiped\\",\\ "reason":"ü"';

const escaped = (text: string) => text.replace(/[\\"$()*+.?[\]^{|}]/g, "\\$&");

beforeEach(() => {
  for (const path of [folder, runtime]) rmSync(path, { recursive: true, force: true });
  rmSync(join(scratch, "nixfleet"), { force: true });
  mkdirSync(runtime);
  cpSync(SCRIPTS, folder, { recursive: true, filter: (path) => !path.endsWith(".ts") });
  cpSync(join(SCRIPTS, "nixfleet.sh"), join(folder, "nixfleet"));
  rmSync(join(folder, "nixfleet.sh"));
  writeFileSync(join(folder, "wipe.conf"), "");
  symlinkSync(join(folder, "nixfleet"), join(scratch, "nixfleet"));
});

describe("nixfleet on a host", () => {
  test("runs the script of a command with its arguments, and ends as that does", () => {
    writeFileSync(join(folder, "try.sh"), '#!/bin/sh\n# Usage: nixfleet try\n# Tries.\nprintf "%s|" "$@"; exit 7\n');
    assert.deepEqual(nixfleet("try", "a b", "--c", ""), { status: 7, stdout: "a b|--c||", stderr: "" });
  });

  for (const [what, args] of [
    ["no command", []],
    ["an unknown command", ["nonsense"]],
    ["a script that is not a command", ["announce"]],
    ["a path", ["../etc/status"]],
    ["an empty name", [""]],
  ] as const) {
    test(`${what}: the list of commands, and exit 2`, () => {
      const { status, stdout, stderr } = nixfleet(...args);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /nixfleet status \[--json\]/);
      assert.doesNotMatch(stderr, /nixfleet announce|set-passwords/);
    });
  }

  test("every command says its usage and, in one line, what it does", () => {
    const { status, stdout } = nixfleet("--help");
    assert.equal(status, 0);
    for (const name of readdirSync(folder).filter((one) => one.endsWith(".sh"))) {
      const [, usage = "", purpose = ""] = readFileSync(join(folder, name), "utf8").split("\n");
      if (!usage.startsWith("# Usage: nixfleet ")) continue;
      assert.match(usage, new RegExp(`^# Usage: nixfleet ${name.slice(0, -3)}( |$)`));
      assert.ok(stdout.includes(`  ${usage.slice("# Usage: ".length)}\n      ${purpose.slice(2)}\n`), name);
    }
  });
});

describe("nixfleet status", () => {
  for (const [what, reports, exitCode, says] of [
    [
      "a fresh root",
      { wipe: WIPED, activation: COMPLETE, prune: PRUNED },
      0,
      /^The root is fresh.*\n.*000312.000Z\.\nAll/,
    ],
    ["before the background prune", { wipe: WIPED, activation: COMPLETE }, 0, /have not been pruned in the background/],
    [
      "while it prunes",
      { wipe: WIPED, activation: COMPLETE, prune: { ...PRUNED, outcome: "running", left: ["a", "b"] } },
      0,
      /being pruned in the background; 2 were due/,
    ],
    [
      "a prune that was stopped",
      { wipe: WIPED, activation: COMPLETE, prune: { ...PRUNED, outcome: "stopped", pruned: ["a"], left: ["b", "c"] } },
      0,
      /stopped: 1 done, 2 to go/,
    ],
    [
      "a rescue boot, which prunes nothing",
      { wipe: WIPED, activation: COMPLETE, prune: { ...PRUNED, outcome: "skipped" } },
      0,
      /^Nothing is pruned in a rescue boot\.$/m,
    ],
    [
      "an owner that is not as declared",
      { wipe: WIPED, activation: { ...COMPLETE, differences: [HOSTILE, "two"] }, prune: PRUNED },
      0,
      new RegExp(`^Some of it has another owner or mode than declared, .*:\n {2}${escaped(HOSTILE)}\n {2}two\n`, "m"),
    ],
    [
      "an old root that cannot be pruned",
      {
        wipe: WIPED,
        activation: COMPLETE,
        prune: { outcome: "failed", reason: HOSTILE, pruned: [], left: ["20200101T000000.000Z"] },
      },
      1,
      /OLD ROOTS CANNOT BE PRUNED: he said.*\n {2}old_roots\/20200101T000000.000Z$/m,
    ],
    [
      "a wipe that failed",
      { wipe: { ...WIPED, outcome: "failed", reason: HOSTILE, retired: null, created: null }, activation: COMPLETE },
      1,
      new RegExp(`^THE ROOT IS NOT WIPED: ${escaped(HOSTILE)}\nThe previous root was booted`),
    ],
    [
      "a wiped root with something wrong",
      { wipe: { ...WIPED, reason: "it is odd" }, activation: COMPLETE },
      1,
      /^But it is odd$/m,
    ],
    ["an empty root", { wipe: { ...WIPED, created: "empty" }, activation: COMPLETE }, 1, /BUT IT IS EMPTY/],
    [
      "a wipe that was skipped",
      {
        wipe: { ...WIPED, outcome: "skipped", reason: "nixfleet.wipe=skip is on the kernel command line" },
        activation: COMPLETE,
      },
      1,
      /^THE ROOT IS NOT FRESH: .*nixfleet.wipe=skip/,
    ],
    [
      "a wipe that was killed",
      { wipe: '{"outcome":"interrupted"}\n', activation: COMPLETE },
      1,
      /ENDED BEFORE ITS END.*\n.*reboot/,
    ],
    ["half a report", { wipe: '{"outcome":"wi', activation: COMPLETE }, 1, /NOTHING IS KNOWN OF THE WIPE/],
    ["no report", {}, 1, /NOTHING IS KNOWN OF THE WIPE.*\n.*NOTHING IS KNOWN OF THE ACTIVATION/],
    [
      "a generation that was passed over",
      {
        generation: { outcome: "passed over", running: "2", passedOver: "3 4" },
        wipe: WIPED,
        activation: COMPLETE,
        prune: PRUNED,
      },
      1,
      /^This is generation 2\.\nGENERATION 3 4 WAS PASSED OVER/,
    ],
    [
      "entries that are not in place",
      { wipe: WIPED, activation: { ...COMPLETE, outcome: "incomplete", problems: [HOSTILE, 'two",', "three"] } },
      1,
      new RegExp(`^NOT ALL THAT IS DECLARED IS IN PLACE:\n {2}${escaped(HOSTILE)}\n {2}two",\n {2}three\n`, "m"),
    ],
    [
      "a root that is not activated",
      { wipe: WIPED, activation: { ...COMPLETE, outcome: "failed", problems: ["no /usr"] } },
      1,
      /^THE ROOT IS NOT ACTIVATED:\n {2}no \/usr$/m,
    ],
  ] as const satisfies readonly (readonly [string, Reports, number, RegExp])[]) {
    test(`says in plain words: ${what}`, () => {
      write(reports);
      const text = nixfleet("status");
      assert.match(text.stdout, says);
      assert.equal(text.status, exitCode, text.stdout);
      const json = nixfleet("status", "--json");
      assert.equal(json.status, exitCode);
      const { healthy, ...rest } = JSON.parse(json.stdout);
      assert.equal(healthy, exitCode === 0);
      const wanted = (report?: object | string) =>
        typeof report === "string" ? (report.endsWith("}\n") ? JSON.parse(report) : null) : (report ?? null);
      const all: Reports = reports;
      assert.deepEqual(rest, {
        generation: wanted(all.generation),
        wipe: wanted(all.wipe),
        activation: wanted(all.activation),
        prune: wanted(all.prune),
      });
    });
  }

  test("on a host whose root stays, that is said and is well", () => {
    rmSync(join(folder, "wipe.conf"));
    write({ activation: COMPLETE });
    const { status, stdout } = nixfleet("status");
    assert.equal(stdout, "The root of this host is not ephemeral.\nAll that is declared is in place.\n");
    assert.equal(status, 0);
  });

  test("other arguments are wrong usage", () => {
    assert.equal(nixfleet("status", "--xml").status, 2);
    assert.equal(nixfleet("status", "--json", "x").status, 2);
  });
});

test("what is wrong with a boot is announced on the console and at each login, and only then", () => {
  write({ wipe: { ...WIPED, outcome: "failed", reason: "the disk is full" }, activation: COMPLETE });
  const failed = call(join(folder, "announce.sh"));
  assert.equal(failed.status, 1, "so that the unit fails");
  assert.match(failed.stdout, /THE ROOT IS NOT WIPED: the disk is full/);
  assert.equal(readFileSync(motd, "utf8"), failed.stdout);
  write({ wipe: WIPED });
  assert.deepEqual(call(join(folder, "announce.sh")), { status: 0, stdout: "", stderr: "" });
  assert.throws(() => readFileSync(motd), /ENOENT/);
});
