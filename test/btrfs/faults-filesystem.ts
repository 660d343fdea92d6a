/** What is wrong with the filesystem or the disk it is on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { type Fault, FIRST } from "./fault.ts";
import { released } from "./released.ts";
import { type Filesystem, filesystem, has, names, wipe } from "./wipe-filesystem.ts";

/** Nobody else's, on a machine where other tests may be running. */
const TWINS = `twins-${process.pid}`;

export const FILESYSTEM_FAULTS: readonly Fault[] = [
  {
    fault: "the filesystem is full, and there is neither a reserve nor an old root",
    happens: "boots the previous root; once there is space, the next wipe works",
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
    fault: "the device is read-only",
    happens: "boots the previous root",
    arrange: async (fs) => {
      await run("umount", [fs.top]);
      // Who still has it mounted, has it writable.
      await released(fs.device);
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
    fault: "the disk accepts no more writes, for example a thin disk whose pool is full",
    happens: "boots the previous root; once the disk accepts writes, the next wipe works",
    filesystem: { room: 64 },
    parameters: { CLOSURE_ROOT: "" }, // a snapshot of one is written at once, and would be refused first
    arrange: async ({ scratch }) => {
      await run("dd", ["if=/dev/zero", `of=${join(scratch, "disk/full")}`, "bs=64k"]).catch(() => {});
    },
    outcome: "untouched",
    says: /cannot write the fresh root: /,
    check: async (fs, { report }) => {
      assert.deepEqual([report.retired, report.created], [null, null]);
      await run("umount", [fs.top]);
      await released(fs.device);
      rmSync(join(fs.scratch, "disk/full"));
      await run("mount", ["-o", "subvolid=5", fs.device, fs.top]);
      assert.deepEqual(names(fs), ["@nix", "@persist", "@root"]);
      assert.equal(wipe(fs).exitCode, 0);
      assert.ok(has(fs, `old_roots/${FIRST}/mark`));
    },
  },
  {
    fault: "the filesystem's superblocks are damaged",
    happens: "cannot mount the filesystem, and does not touch it",
    arrange: async (fs) => {
      await run("umount", [fs.top]);
      await released(fs.device);
      const device = openSync(fs.device, "r+");
      for (const offset of [65536, 67108864]) writeSync(device, Buffer.alloc(4096), 0, 4096, offset);
      closeSync(device);
      mkdirSync(join(fs.top, "@root"));
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", fs.top]);
    },
    outcome: "untouched",
    says: /cannot mount/,
  },
  {
    fault: "no filesystem has the label",
    happens: "touches nothing",
    arrange: () => {},
    parameters: { DEVICE: "", LABEL: "no-such-label" },
    outcome: "untouched",
    says: /no filesystem has the label no-such-label/,
  },
  {
    fault: "two filesystems have the label",
    happens:
      "touches neither and names both; if only one has a `@root` the boot continues with that one, otherwise it stops",
    filesystem: { label: TWINS },
    arrange: async () => {
      twin = await filesystem({ label: TWINS });
    },
    parameters: { DEVICE: "", LABEL: TWINS },
    outcome: "untouched",
    says: new RegExp(`two filesystems have the label ${TWINS}: /dev/\\S+ /dev/`),
    restore: async () => twin?.[Symbol.asyncDispose](),
  },
];

/** That with the label of another, for as long as its row lasts. */
let twin: Filesystem | undefined;

async function fill(fs: Filesystem): Promise<void> {
  await run("dd", ["if=/dev/zero", `of=${join(fs.top, "@root/big")}`, "bs=64k"]).catch(() => {});
  await run("sync", ["-f", fs.top]);
  assert.throws(() => writeFileSync(join(fs.top, "@root/small"), "x"), /ENOSPC/);
}
