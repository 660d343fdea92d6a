/** One row a fault, each on a real filesystem made to have it: what is then the outcome, and what is left. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { scriptParameters, WIPE_SCRIPT } from "../../src/initrd/files.ts";
import { run } from "../../src/machine/process.ts";
import {
  CLOSURE_ROOT,
  type Filesystem,
  filesystem,
  has,
  leftovers,
  names,
  type Outcome,
  subvolume,
  wipe,
} from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";

interface Fault {
  readonly fault: string;
  readonly filesystem?: Parameters<typeof filesystem>[0];
  readonly arrange: (fs: Filesystem) => Promise<void> | void;
  readonly parameters?: Readonly<Record<string, string | number>>;
  readonly path?: string;
  /** `untouched`: @root and everything else are as they were, and the run failed. */
  readonly outcome: "wiped" | "untouched";
  readonly says?: RegExp;
  readonly check?: (fs: Filesystem, outcome: Outcome) => Promise<void> | void;
  readonly restore?: (fs: Filesystem) => Promise<void> | void;
}

const FAULTS: readonly Fault[] = [
  {
    fault: "the filesystem is full",
    filesystem: { megabytes: 48, mixed: true },
    arrange: fill,
    outcome: "untouched",
    says: /No space left/,
    check: async (fs) => {
      assert.deepEqual(
        names(fs).filter((name) => name !== "@root.new"),
        ["@nix", "@persist", "@root"],
      );
      assert.ok(has(fs, "@root/mark"));
      // Once there is room again, it is wiped.
      rmSync(join(fs.top, "@root/big"));
      await run("sync", ["-f", fs.top]);
      assert.equal(wipe(fs).exitCode, 0);
      assert.ok(has(fs, `old_roots/${FIRST}/mark`));
    },
  },
  {
    fault: "@root is a plain directory",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      mkdirSync(join(fs.top, "@root"));
      writeFileSync(join(fs.top, "@root/mark"), "");
    },
    outcome: "wiped",
    says: /@root is not a subvolume: it is kept as old_roots\/20261123T000312.000Z.kept/,
    check: (fs) => {
      assert.ok(has(fs, `old_roots/${FIRST}.kept/mark`));
      wipe(fs, { NOW: "2090-01-01 00:00:00", KEEP_NEWEST: 0, RETENTION_DAYS: 1 });
      assert.ok(has(fs, `old_roots/${FIRST}.kept/mark`), "never pruned");
    },
  },
  {
    fault: "@root is a plain directory for the second time at the same time",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      mkdirSync(join(fs.top, "@root/second"), { recursive: true });
      mkdirSync(join(fs.top, `old_roots/${FIRST}.kept/first`), { recursive: true });
    },
    outcome: "wiped",
    check: (fs) => {
      assert.deepEqual(names(fs, "old_roots"), [`${FIRST}.kept`, "20261123T000312.001Z.kept"]);
      assert.deepEqual(names(fs, `old_roots/${FIRST}.kept`), ["first"]);
    },
  },
  {
    fault: "@root is a link to @persist",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      symlinkSync("@persist", join(fs.top, "@root"));
    },
    outcome: "wiped",
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), [`${FIRST}.kept`]),
  },
  {
    fault: "@root is set read-only",
    arrange: async (fs) => {
      await run("btrfs", ["property", "set", "-ts", join(fs.top, "@root"), "ro", "true"]);
    },
    outcome: "wiped",
    check: (fs) => assert.ok(has(fs, `old_roots/${FIRST}/mark`)),
  },
  {
    fault: "@root has nested subvolumes, a read-only snapshot and an immutable file",
    arrange: async (fs) => {
      await subvolume(fs.top, "@root/tmp", "@root/var/lib/machines");
      await run("btrfs", ["subvolume", "snapshot", "-r", join(fs.top, "@persist"), join(fs.top, "@root/snapshot")]);
      await run("chattr", ["+i", join(fs.top, "@root/mark")]);
    },
    outcome: "wiped",
    check: (fs) => assert.ok(has(fs, `old_roots/${FIRST}/snapshot/precious`)),
  },
  {
    fault: "@root itself is immutable",
    arrange: async (fs) => void (await run("chattr", ["+i", join(fs.top, "@root")])),
    outcome: "untouched",
    says: /@root cannot be retired/,
    restore: async (fs) => void (await run("chattr", ["-i", join(fs.top, "@root")])),
  },
  {
    fault: "a crash left no @root, and a half-done @root.new",
    arrange: async (fs) => {
      await subvolume(fs.top, "@root.new");
      mkdirSync(join(fs.top, "old_roots"));
      renameSync(join(fs.top, "@root"), join(fs.top, `old_roots/${FIRST}`));
    },
    outcome: "wiped",
    check: (fs, { report }) => {
      assert.equal(report.retired, null);
      assert.ok(has(fs, `old_roots/${FIRST}/mark`));
    },
  },
  {
    fault: "a crash left no @root, and none can be made",
    arrange: async (fs) => {
      mkdirSync(join(fs.top, "old_roots"));
      await subvolume(fs.top, "old_roots/20200101T000000.000Z");
      mkdirSync(join(fs.top, "old_roots/20270101T000000.000Z"));
      renameSync(join(fs.top, "@root"), join(fs.top, `old_roots/${FIRST}`));
    },
    parameters: { CLOSURE_ROOT: "@nix/store/gone/root" },
    outcome: "untouched",
    says: /old_roots\/20261123T000312.000Z becomes it/,
    check: (fs) => {
      assert.ok(has(fs, "@root/mark"));
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", "20270101T000000.000Z"]);
    },
  },
  {
    fault: "something else is called @root.new",
    arrange: (fs) => {
      mkdirSync(join(fs.top, "@root.new"));
      writeFileSync(join(fs.top, "@root.new/file"), "");
    },
    outcome: "untouched",
    says: /@root.new is in the way/,
    check: (fs) => assert.ok(has(fs, "@root.new/file")),
  },
  {
    fault: "old_roots is a link",
    arrange: (fs) => symlinkSync("@persist", join(fs.top, "old_roots")),
    outcome: "untouched",
    says: /old_roots is a link/,
    check: (fs) => assert.deepEqual(names(fs, "@persist"), ["precious"]),
  },
  {
    fault: "old_roots is a file",
    arrange: (fs) => writeFileSync(join(fs.top, "old_roots"), ""),
    outcome: "untouched",
    says: /old_roots is not a folder/,
  },
  {
    fault: "the closure's root is a folder, not a subvolume",
    arrange: (fs) => void mkdirSync(join(fs.top, "@nix/plain/root"), { recursive: true }),
    parameters: { CLOSURE_ROOT: "@nix/plain/root" },
    outcome: "untouched",
    says: /no root can be made/,
  },
  {
    fault: "there is no btrfs tool",
    arrange: () => {},
    path: toolsWithout("btrfs"),
    outcome: "untouched",
    says: /no root can be made:.*btrfs/s,
  },
  {
    fault: "there is no stat tool",
    arrange: () => {},
    path: toolsWithout("stat"),
    outcome: "untouched",
    says: /the time cannot be told/,
  },
  {
    fault: "the device is read-only",
    arrange: async (fs) => {
      await run("umount", [fs.top]);
      await run("blockdev", ["--setro", fs.device]);
    },
    outcome: "untouched",
    check: async (fs) => {
      await run("blockdev", ["--setrw", fs.device]);
      await run("mount", ["-o", "subvolid=5", fs.device, fs.top]);
      assert.deepEqual(names(fs), ["@nix", "@persist", "@root"]);
    },
  },
  {
    fault: "the filesystem's superblocks are damaged",
    arrange: async (fs) => {
      await run("umount", [fs.top]);
      const device = openSync(fs.device, "r+");
      for (const offset of [65536, 67108864]) writeSync(device, Buffer.alloc(4096), 0, 4096, offset);
      closeSync(device);
      mkdirSync(join(fs.top, "@root"));
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", fs.top]);
    },
    outcome: "untouched",
    says: /cannot be mounted/,
  },
  {
    fault: "no filesystem has the label",
    arrange: () => {},
    parameters: { DEVICE: "", LABEL: "no-such-label" },
    outcome: "untouched",
    says: /no filesystem is labelled no-such-label/,
  },
  {
    fault: "a parameter is not a number",
    arrange: () => {},
    parameters: { KEEP_NEWEST: "three" },
    outcome: "untouched",
    says: /are numbers/,
  },
];

for (const row of FAULTS) {
  test(`${row.fault}: ${row.outcome}`, async () => {
    await using fs = await filesystem(row.filesystem);
    await row.arrange(fs);
    const before = await subvolumes(fs);
    try {
      const outcome = wipe(fs, row.parameters, row.path);
      assert.deepEqual(leftovers(fs), []);
      if (row.says) assert.match(`${outcome.stderr}${outcome.report.reason}`, row.says);
      await row.check?.(fs, outcome);
      if (row.outcome === "wiped") {
        assert.equal(outcome.exitCode, 0, outcome.stderr);
        assert.deepEqual(names(fs, "@root"), ["etc"]);
      } else {
        assert.equal(outcome.exitCode, 1);
        assert.equal(outcome.report.outcome, "failed");
        assert.match(outcome.stderr, /THE ROOT IS NOT WIPED/);
        if (row.check === undefined) {
          assert.ok(before === "" || has(fs, "@root/mark"));
          assert.equal(await subvolumes(fs), before);
        }
      }
      if (before !== "") assert.ok(has(fs, "@persist/precious"));
    } finally {
      await row.restore?.(fs);
    }
  });
}

/** A tool that does as always, but for the n-th call of all, where it kills the script instead, before or after. */
for (const when of ["before", "after"] as const) {
  test(`killed ${when} any of its processes, the script's next run gives a fresh root and has lost nothing`, async (t) => {
    await using fs = await filesystem();
    await subvolume(fs.top, "old_roots/20200101T000000.000Z/nested", "old_roots/20200102T000000.000Z");
    let boots = 0;
    for (let n = 1; ; n++) {
      writeFileSync(join(fs.top, "@root/boot"), `${boots++}`);
      const killed = await killedAt(fs, n, when, t);
      // What a boot without any wipe, or with one that fails, would find.
      if (!has(fs, "@root")) wipe(fs, { CLOSURE_ROOT: "@nix/store/gone/root" });
      assert.ok(has(fs, "@root"), `${when} ${n}`);
      if (!killed) break;
      const { exitCode, stderr } = wipe(fs, { RETENTION_DAYS: 30, KEEP_NEWEST: 1000 });
      assert.equal(exitCode, 0, `${when} ${n}: ${stderr}`);
      assert.deepEqual(
        names(fs).filter((name) => name !== "old_roots"),
        ["@nix", "@persist", "@root"],
      );
      assert.deepEqual(names(fs, "@root"), ["etc"]);
      assert.ok(n < 100);
    }
    const seen = names(fs, "old_roots")
      .filter((name) => has(fs, `old_roots/${name}/boot`))
      .map((name) => Number(execFileSync("cat", [join(fs.top, "old_roots", name, "boot")])));
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      Array.from({ length: boots }, (_, i) => i),
      "each root that was in use",
    );
    assert.ok(boots >= 8, `it was killed at ${boots} points`);
    assert.ok(has(fs, "@persist/precious"));
  });
}

/** Runs the script with tools that count; true if it was killed, false if it ended before the n-th. */
async function killedAt(fs: Filesystem, n: number, when: "before" | "after", t: TestContext): Promise<boolean> {
  const tools = join(fs.scratch, `tools-${n}`);
  mkdirSync(tools);
  const counter = join(fs.scratch, `counter-${n}`);
  writeFileSync(counter, "");
  const kill = `[ "$(wc -c <${counter})" -ne ${n} ] || kill -9 $PPID`;
  for (const tool of ["mkdir", "mount", "umount", "rmdir", "btrfs", "mv", "stat", "date"]) {
    const real = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
    const lines =
      when === "before"
        ? [
            `printf x >>${counter}`,
            `[ "$(wc -c <${counter})" -ne ${n} ] || { kill -9 $SCRIPT; exit 1; }`,
            `exec ${real} "$@"`,
          ]
        : [`printf x >>${counter}`, `${real} "$@"; status=$?`, kill.replace("$PPID", "$SCRIPT"), "exit $status"];
    writeFileSync(join(tools, tool), `#!/bin/sh\n${lines.join("\n")}\n`);
    chmodSync(join(tools, tool), 0o755);
  }
  const conf = join(fs.scratch, "killed.conf");
  writeFileSync(
    conf,
    scriptParameters({
      DEVICE: fs.device,
      RETENTION_DAYS: 30,
      KEEP_NEWEST: 1000,
      CLOSURE_ROOT,
      NOW: "2026-11-23 00:03:12",
      REPORT: join(fs.scratch, `killed-${n}.json`),
    }),
  );
  const command = `export SCRIPT=$$; PATH=${tools}:$PATH; exec /bin/sh ${WIPE_SCRIPT} ${conf}`;
  const child = spawn("/bin/sh", ["-c", command], { stdio: "ignore" });
  const signal = await new Promise<string | null>((resolve) => child.on("close", (_, by) => resolve(by)));
  // As the end of a boot does. A tool that outlived the script may still be in there for a moment.
  const place = `/run/nixfleet/wipe.${child.pid}`;
  while (leftovers(fs).some((mount) => mount.includes(` ${place} `))) {
    await run("umount", [place]).catch(() => setTimeout(20));
  }
  rmSync(place, { recursive: true, force: true });
  t.diagnostic(`${when} ${n}: ${signal ?? "not killed"}`);
  return signal !== null;
}

async function fill(fs: Filesystem): Promise<void> {
  await run("dd", ["if=/dev/zero", `of=${join(fs.top, "@root/big")}`, "bs=64k"]).catch(() => {});
  await run("sync", ["-f", fs.top]);
  assert.throws(() => writeFileSync(join(fs.top, "@root/small"), "x"), /ENOSPC/);
}

function toolsWithout(tool: string): string {
  // Every tool the script may call, but this one; /bin and /sbin cannot be in the PATH, they have it.
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const other of ["mkdir", "mount", "umount", "rmdir", "btrfs", "mv", "stat", "date", "blkid"]) {
    if (other === tool) continue;
    const real = execFileSync("sh", ["-c", `PATH=$PATH:/sbin:/usr/sbin; command -v ${other}`], { encoding: "utf8" });
    symlinkSync(real.trim(), join(folder, other));
  }
  return folder;
}

async function subvolumes(fs: Filesystem): Promise<string> {
  if (!has(fs, "@persist")) return "";
  return run("btrfs", ["subvolume", "list", "-p", fs.top]).then((listing) => listing.replace(/gen \d+ /g, ""));
}
