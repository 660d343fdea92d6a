/** One row a fault, each on a real filesystem made to have it: what is then the outcome, and what is left. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { run } from "../../src/local/process.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { FAULTS } from "./faults.ts";
import {
  CLOSURE_ROOT,
  type Filesystem,
  filesystem,
  has,
  leftovers,
  names,
  subvolume,
  wipe,
} from "./wipe-filesystem.ts";

/** Whatever the script may call. */
const TOOLS = ["blkid", "btrfs", "date", "mkdir", "mount", "mv", "stat", "sync", "umount"];

for (const row of FAULTS) {
  test(`${row.fault}: ${row.outcome}`, async () => {
    await using fs = await filesystem(row.filesystem);
    await row.arrange(fs);
    const before = await subvolumes(fs);
    try {
      const outcome = wipe(fs, row.parameters, row.without && toolsWithout(row.without));
      assert.deepEqual(leftovers(fs), []);
      if (row.says) assert.match(`${outcome.stderr}${outcome.report.reason}`, row.says);
      await row.check?.(fs, outcome);
      if (row.outcome === "wiped") {
        assert.equal(outcome.exitCode, 0, outcome.stderr);
        assert.deepEqual(names(fs, "@root"), row.fresh ?? ["etc"]);
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
    assert.ok(boots >= 7, `it was killed at ${boots} points`);
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
  for (const tool of TOOLS) {
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
  const REPORT = join(fs.scratch, `killed-${n}.report`);
  writeFileSync(
    conf,
    scriptParameters({
      DEVICE: fs.device,
      MOUNTPOINT: fs.mountpoint,
      RETENTION_DAYS: 30,
      KEEP_NEWEST: 1000,
      CLOSURE_ROOT,
      NOW: "2026-11-23 00:03:12",
      REPORT,
    }),
  );
  const command = `export SCRIPT=$$; PATH=${tools}:$PATH; exec /bin/sh ${WIPE_SCRIPT} ${conf}`;
  const child = spawn("/bin/sh", ["-c", command], { stdio: "ignore" });
  const signal = await new Promise<string | null>((resolve) => child.on("close", (_, by) => resolve(by)));
  // As the end of a boot does. A tool that outlived the script may still be in there for a moment.
  while (leftovers(fs).length > 0) await run("umount", [fs.mountpoint]).catch(() => setTimeout(20));
  if (signal !== null) assert.equal(readFileSync(REPORT, "utf8"), "outcome=interrupted\nend\n");
  t.diagnostic(`${when} ${n}: ${signal ?? "not killed"}`);
  return signal !== null;
}

function toolsWithout(tool: string): string {
  // Every tool the script may call, but this one; /bin and /sbin cannot be in the PATH, they have it.
  const folder = execFileSync("mktemp", ["-d"], { encoding: "utf8" }).trim();
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const other of TOOLS) {
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
