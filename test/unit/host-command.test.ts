import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";

const SCRIPTS = join(import.meta.dirname, "..", "..", "src", "payload", "host");
const scratch = mkdtempSync(join(tmpdir(), "nixfleet-host-"));
const folder = join(scratch, "etc");
const runtime = join(scratch, "run");
const mountinfo = join(scratch, "mountinfo");
const state = join(scratch, "nix", "nixfleet");
const motd = join(scratch, "motd.d", "nixfleet");
after(() => rmSync(scratch, { recursive: true }));

/** As /usr/local/bin/nixfleet is called: through a link. */
function nixfleet(...args: readonly string[]) {
  return call(join(scratch, "nixfleet"), ...args);
}

function call(command: string, ...args: readonly string[]) {
  const env = {
    ...process.env,
    PATH: `${scratch}:${process.env.PATH}`,
    RUNTIME: runtime,
    MOTD: motd,
    MOUNTINFO: mountinfo,
    MDSTAT: join(runtime, "mdstat"),
    MD_MAP: join(runtime, "map"),
    STATE: state,
  };
  const { status, stdout, stderr } = spawnSync("/bin/sh", [command, ...args], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

interface Reports {
  readonly wipe?: object | string;
  readonly activation?: object | string;
  readonly generation?: object | string;
  readonly prune?: object | string;
  readonly room?: object | string;
  readonly back?: object | string;
  readonly switch?: object | string;
}

/** As the scripts write them. */
function write(reports: Reports): void {
  for (const [name, report] of Object.entries(reports)) {
    writeFileSync(join(runtime, `${name}.report`), typeof report === "string" ? report : linesOf(report));
  }
}

function linesOf(report: object): string {
  const lines = Object.entries(report).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}=${one}\n`),
  );
  return `${lines.join("")}end\n`;
}

/** The report as JSON: each of its fields, also those that it leaves out. */
function jsonOf(name: keyof typeof FIELDS, report: object | string | undefined): object | null {
  if (report === undefined || (typeof report === "string" && !report.endsWith("end\n"))) return null;
  if (typeof report === "string") return { ...FIELDS[name], outcome: "interrupted" };
  const steps = name === "wipe" ? { steps: [{ name: "mountFilesystem", milliseconds: 4 }] } : {};
  return { ...FIELDS[name], ...report, ...steps };
}

const WIPED = {
  outcome: "wiped",
  reason: null,
  steps: "mountFilesystem 4",
  retired: "20261123T000312.000Z",
  pruned: ["20200101T000000.000Z"],
  created: "snapshot",
  closure: "/nix/store/abc-nixfleet-host",
};
const COMPLETE = { outcome: "complete", closure: "/nix/store/abc-nixfleet-host", problems: [] };
const SWITCHED = { outcome: "switched", closure: "/nix/store/def-nixfleet-host", confirm: 60 };
const PRUNED = { outcome: "complete", reason: null, pruned: [], left: [] };
const HOSTILE = 'he said: "x\\",\\ outcome=wiped reason="ü" end';

const FIELDS = {
  generation: { running: null, passedOver: null },
  wipe: { reason: null, steps: [], retired: null, pruned: [], created: null, closure: null },
  activation: { closure: null, problems: [], differences: [], carried: [] },
  prune: { reason: null, pruned: [], early: [], left: [], short: null },
  room: { said: null, measured: null, generations: null, snapshots: null, free: null, oldRoots: {} },
  back: { reason: null, kept: null },
  switch: { closure: null, confirm: null },
};

const escaped = (text: string) => text.replace(/[\\"$()*+.?[\]^{|}]/g, "\\$&");

beforeEach(() => {
  for (const path of [folder, runtime, join(scratch, "nix")]) rmSync(path, { recursive: true, force: true });
  rmSync(join(scratch, "nixfleet"), { force: true });
  mkdirSync(runtime);
  cpSync(SCRIPTS, folder, { recursive: true, filter: (path) => !path.endsWith(".ts") });
  cpSync(join(SCRIPTS, "../audit"), folder, { recursive: true, filter: (path) => !path.endsWith(".ts") });
  cpSync(join(SCRIPTS, "../initrd/report.sh"), join(folder, "report.sh"));
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

describe("nixfleet status of the store", () => {
  const name = `${"a".repeat(32)}-nixfleet-host`;
  const verified = (damaged: readonly string[]) => {
    const outcome = damaged.length === 0 ? "whole" : "damaged";
    writeFileSync(join(state, "verified.report"), linesOf({ outcome, date: "2026-11-27 02:00", damaged }));
  };
  beforeEach(() => {
    mkdirSync(join(state, "whole"), { recursive: true });
    mkdirSync(join(scratch, "nix/store", name), { recursive: true });
    write({ wipe: WIPED, activation: COMPLETE, prune: PRUNED });
  });

  test("says when it was verified", () => {
    assert.match(nixfleet("status").stdout, /has not been looked at yet/);
    verified([]);
    const { status, stdout } = nixfleet("status");
    assert.match(stdout, /The store was what was built on 2026-11-27 02:00\./);
    assert.equal(status, 0);
  });

  test("names what is damaged, until that is mended or gone", () => {
    verified([name]);
    const { status, stdout } = nixfleet("status");
    assert.equal(status, 1);
    assert.ok(stdout.includes(`THE STORE IS DAMAGED, as was seen on 2026-11-27 02:00:\n  ${name}\n`), stdout);
    writeFileSync(join(state, "whole", name), "");
    assert.equal(nixfleet("status").status, 0);
    rmSync(join(state, "whole", name));
    rmSync(join(scratch, "nix/store", name), { recursive: true });
    assert.equal(nixfleet("status").status, 0);
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
      "what persists was taken back",
      { wipe: WIPED, activation: COMPLETE, back: { outcome: "back", kept: "20261124T000000.000Z" } },
      0,
      /taken back; what it was before is the snapshot 20261124T000000\.000Z/,
    ],
    [
      "it was to be, and could not",
      { wipe: WIPED, activation: COMPLETE, back: { outcome: "refused", reason: "no exchange" } },
      1,
      /WHAT PERSISTS WAS NOT TAKEN BACK: no exchange/,
    ],
    [
      "it was for another boot",
      { wipe: WIPED, activation: COMPLETE, back: { outcome: "void", reason: "it was ordered for another boot" } },
      0,
      /was not taken back: it was ordered for another boot\./,
    ],
    [
      "a filesystem that is short of room",
      {
        wipe: WIPED,
        activation: COMPLETE,
        prune: { ...PRUNED, early: ["20261101T000000.000Z"], short: "8 MiB are free for data, 3 for metadata" },
      },
      1,
      /deleted early.*:\n {2}old_roots\/20261101T000000\.000Z\nThe filesystem is short of space: 8 MiB are free/,
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
      new RegExp(`^Some paths have another owner or mode than declared.*:\n {2}${escaped(HOSTILE)}\n {2}two\n`, "m"),
    ],
    ...(
      [
        ["switched", 0, /The last switch was to \/nix\/store\/def-nixfleet-host\./],
        ["waiting", 0, /waits to be confirmed, and goes back without: nixfleet confirm/],
        ["back", 0, /went back: it was not confirmed/],
        ["incomplete", 1, /did not do everything\.\nWhat it did: journalctl -t nixfleet-switch/],
        ["partly-back", 1, /did not go back in everything\. Reboot/],
      ] as const
    ).map(
      ([outcome, exitCode, says]) =>
        [
          `a switch that is ${outcome}`,
          { wipe: WIPED, activation: COMPLETE, prune: PRUNED, switch: { ...SWITCHED, outcome } },
          exitCode,
          says,
        ] as const,
    ),
    [
      "an old root that cannot be pruned",
      {
        wipe: WIPED,
        activation: COMPLETE,
        prune: { outcome: "failed", reason: HOSTILE, pruned: [], left: ["20200101T000000.000Z"] },
      },
      1,
      /Cannot prune old roots: he said.*\n {2}old_roots\/20200101T000000.000Z$/m,
    ],
    [
      "a wipe that failed",
      { wipe: { ...WIPED, outcome: "failed", reason: HOSTILE, retired: null, created: null }, activation: COMPLETE },
      1,
      new RegExp(`^THE ROOT IS NOT WIPED: ${escaped(HOSTILE)}\nThe host booted the previous root`),
    ],
    [
      "a wiped root with something wrong",
      { wipe: { ...WIPED, reason: "it is odd" }, activation: COMPLETE },
      1,
      /^But it is odd\.$/m,
    ],
    ["an empty root", { wipe: { ...WIPED, created: "empty" }, activation: COMPLETE }, 1, /But it is empty/],
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
      { wipe: "outcome=interrupted\nend\n", activation: COMPLETE },
      1,
      /THE WIPE DID NOT FINISH.*\n.*Reboot/,
    ],
    ["half a report", { wipe: "outcome=wi", activation: COMPLETE }, 1, /No report of the wipe/],
    ["no report", {}, 1, /No report of the wipe.*\n.*No report of the activation/],
    [
      "a generation that was passed over",
      {
        generation: { outcome: "passed over", running: "2", passedOver: "3 4" },
        wipe: WIPED,
        activation: COMPLETE,
        prune: PRUNED,
      },
      1,
      /^This is generation 2\.\nGeneration 3 4 was passed over/,
    ],
    [
      "entries that are not in place",
      { wipe: WIPED, activation: { ...COMPLETE, outcome: "incomplete", problems: [HOSTILE, 'two",', "three"] } },
      1,
      new RegExp(`^Some of what is declared is not in place:\n {2}${escaped(HOSTILE)}\n {2}two",\n {2}three\n`, "m"),
    ],
    [
      "a root that is not activated",
      { wipe: WIPED, activation: { ...COMPLETE, outcome: "failed", problems: ["no /usr"] } },
      1,
      /^The root is not activated:\n {2}no \/usr$/m,
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
      const all: Reports = reports;
      assert.deepEqual(rest, {
        generation: jsonOf("generation", all.generation),
        wipe: jsonOf("wipe", all.wipe),
        activation: jsonOf("activation", all.activation),
        prune: jsonOf("prune", all.prune),
        verified: null,
        room: jsonOf("room", all.room),
        back: jsonOf("back", all.back),
        switch: jsonOf("switch", all.switch),
      });
    });
  }

  test("JSON has numbers where a report has some, and names with theirs", () => {
    const room = {
      outcome: "measured",
      said: "much",
      measured: 12,
      snapshots: 3,
      free: 0,
      oldRoots: ["20200101T000000.000Z 4", "x 5"],
    };
    write({ wipe: WIPED, activation: COMPLETE, prune: PRUNED, room });
    const oldRoots = { "20200101T000000.000Z": 4, x: 5 };
    assert.deepEqual(JSON.parse(nixfleet("status", "--json").stdout).room, { ...room, generations: null, oldRoots });
  });

  test("what takes room is said, once it is measured", () => {
    write({
      wipe: WIPED,
      activation: COMPLETE,
      prune: PRUNED,
      room: { outcome: "measured", said: "Old roots (2) hold 1 B" },
    });
    const { status, stdout } = nixfleet("status");
    assert.equal(status, 0);
    assert.match(stdout, /^Old roots \(2\) hold 1 B$/m);
  });

  test("an array that is without a disk is said, one that is whole is not", () => {
    write({ wipe: WIPED, activation: COMPLETE, prune: PRUNED });
    writeFileSync(join(runtime, "map"), "md12 1.2 uuid /dev/md/other\nmd127 1.2 uuid /dev/md/mirror\n");
    const state = (disks: string) => {
      const blocks = "      1046528 blocks super 1.2";
      const arrays = `md12 : active raid1 vda_1[0] vdb_1[1]\n${blocks} [2/2] [UU]\n\nmd127 : active raid1 vdb1[1]\n${blocks} ${disks}\n`;
      writeFileSync(
        join(runtime, "mdstat"),
        `Personalities : [raid1]\n${arrays}      bitmap: 0/1 pages\nunused devices: <none>\n`,
      );
      return nixfleet("status");
    };
    assert.equal(state("[2/2] [UU]").status, 0);
    for (const disks of ["[2/1] [_U]", "[2/1] [U_]", "[3/2] [U_U]"]) {
      const { status, stdout } = state(disks);
      assert.equal(status, 1, disks);
      assert.match(stdout, /^THE ARRAY mirror IS WITHOUT one of its disks/m);
      assert.doesNotMatch(stdout, /ARRAY other/);
    }
    writeFileSync(join(runtime, "mdstat"), "");
  });

  test("an entry that is not mounted is said, whatever it is called", () => {
    const odd = "/srv/a b%s\\-x";
    const line = (path: string) => `40 1 0:30 /@persist ${path} rw,relatime - btrfs /dev/vda2 rw\n`;
    const placed = (how: string, path: string) => `directory\t${how}\t/persist\t${path}\t-\n`;
    writeFileSync(mountinfo, ["/var/log", "/srv/a\\040b%s\\134-x"].map(line).join(""));
    write({ wipe: WIPED, activation: COMPLETE, prune: PRUNED });
    const list = [placed("bind", "/var/log"), placed("symlink", "/etc/x"), placed("bind", odd)].join("");
    writeFileSync(join(folder, "placed.list"), list);
    assert.equal(nixfleet("status").status, 0);
    writeFileSync(join(folder, "placed.list"), `${list}${placed("bind", "/var/lib/we-are gone")}`);
    const { status, stdout } = nixfleet("status");
    assert.equal(status, 1);
    assert.match(stdout, /Not mounted, .*:\n {2}\/var\/lib\/we-are gone\nReboot/);
  });

  for (const [what, unit, complete, says] of [
    ["could not be written", "WantedBy=basic.target\nActiveState=failed", true, true],
    ["was not tried, for the ESP is not mounted", "WantedBy=basic.target\nActiveState=inactive", true, true],
    ["is about to be written", "WantedBy=basic.target\nActiveState=inactive\nJob=12", true, false],
    ["is not due yet", "WantedBy=basic.target\nActiveState=inactive", false, false],
    ["is written", "WantedBy=basic.target\nActiveState=active", true, false],
    ["was written at an earlier boot", "WantedBy=\nActiveState=inactive", true, false],
  ] as const) {
    test(`a mark that a generation is good which ${what}${says ? " is said" : ""}`, () => {
      const systemctl = `#!/bin/sh\n[ "$1" = show ] || exit ${complete ? 0 : 3}\n[ "$3" = systemd-bless-boot.service ] || exit 0\nprintf '%s\\n' '${unit}'\n`;
      writeFileSync(join(scratch, "systemctl"), systemctl, { mode: 0o755 });
      write({ wipe: WIPED, activation: COMPLETE, prune: PRUNED });
      const { status, stdout } = nixfleet("status");
      rmSync(join(scratch, "systemctl"));
      assert.equal(status, says ? 1 : 0, stdout);
      assert.equal(
        /came up, but the boot loader does not know.*\n.*restart systemd-bless-boot/.test(stdout),
        says,
        stdout,
      );
    });
  }

  test("on a host whose root stays, that is said and is well", () => {
    rmSync(join(folder, "wipe.conf"));
    write({ activation: COMPLETE });
    const { status, stdout } = nixfleet("status");
    assert.match(
      stdout,
      /^The root of this host is not ephemeral\.\nAll that is declared is in place\.\nWhether the store/,
    );
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
