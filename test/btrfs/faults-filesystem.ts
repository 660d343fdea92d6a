/** What is wrong with the filesystem or the disk it is on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/machine/process.ts";
import { type Fault, FIRST } from "./fault.ts";
import { released } from "./released.ts";
import { type Filesystem, filesystem, has, names, wipe } from "./wipe-filesystem.ts";

/** Nobody else's, on a machine where other tests may be running. */
const TWINS = `twins-${process.pid}`;

export const FILESYSTEM_FAULTS: readonly Fault[] = [
  {
    fault: "the filesystem is full",
    happens: "the previous root; when there is room again, it is wiped again",
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
    happens: "the previous root",
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
    fault: "the disk takes no more writes, as a thin one whose pool is full",
    happens: "the previous root; when it takes them again, it is wiped again",
    filesystem: { room: 64 },
    parameters: { CLOSURE_ROOT: "" }, // a snapshot of one is written at once, and would be refused first
    arrange: async ({ scratch }) => {
      await run("dd", ["if=/dev/zero", `of=${join(scratch, "disk/full")}`, "bs=64k"]).catch(() => {});
    },
    outcome: "untouched",
    says: /the fresh root cannot be written: /,
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
    happens: "it cannot be mounted, and is not touched",
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
    says: /cannot be mounted/,
  },
  {
    fault: "no filesystem has the label",
    happens: "nothing is touched",
    arrange: () => {},
    parameters: { DEVICE: "", LABEL: "no-such-label" },
    outcome: "untouched",
    says: /no filesystem is labelled no-such-label/,
  },
  {
    fault: "two filesystems have the label",
    happens: "neither is touched, both are named; the boot goes on with the one that has a `@root`, if only one has",
    filesystem: { label: TWINS },
    arrange: async () => {
      twin = await filesystem({ label: TWINS });
    },
    parameters: { DEVICE: "", LABEL: TWINS },
    outcome: "untouched",
    says: new RegExp(`two filesystems are labelled ${TWINS}: /dev/\\S+ /dev/`),
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
