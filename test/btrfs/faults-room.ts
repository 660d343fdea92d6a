/** What any user can do to a filesystem: fill it. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { type Fault, FIRST } from "./fault.ts";
import { fillAsUser } from "./fill.ts";
import { type Filesystem, has, names, prune, subvolume, wipe } from "./wipe-filesystem.ts";

const SMALL = { megabytes: 128 };
const OLD = ["20261101T000000.000Z", "20261102T000000.000Z", "20261103T000000.000Z"];

export const ROOM_FAULTS: readonly Fault[] = [
  {
    fault: "a user has filled the metadata",
    happens: "creates a fresh root: deletes the reserve, and fills it again later",
    filesystem: SMALL,
    arrange: async (fs) => {
      await oldRoots(fs);
      prune(fs);
      await fillAsUser(fs.top, "@persist");
    },
    outcome: "wiped",
    says: /the filesystem is full: deleted the reserve/,
    check: (fs, { report }) => {
      assert.match(report.reason ?? "", /the filesystem is full: deleted the reserve to make space$/);
      assert.deepEqual(names(fs, "old_roots"), [...OLD, FIRST]);
      // As at once in the initrd, when activation has had its part. Further boots have what they need too.
      for (const minute of ["04", "05"]) {
        prune(fs);
        const { exitCode, stderr } = wipe(fs, { PRUNE: "", NOW: `2026-11-23 00:${minute}:00` });
        assert.equal(exitCode, 0, stderr);
        assert.match(stderr, /deleted the reserve/);
        assert.doesNotMatch(stderr, /deleted the old root/);
      }
    },
  },
  {
    fault: "a user has filled the metadata, and there is no reserve",
    happens: "deletes old roots early, the oldest first, until there is space; never the newest",
    filesystem: SMALL,
    arrange: async (fs) => {
      await oldRoots(fs);
      await fillAsUser(fs.top, "@persist");
    },
    parameters: { ON_FAILURE: "halt" },
    outcome: "wiped",
    says: /deleted the old root 20261101T000000.000Z early/,
    check: (fs) => assert.deepEqual(names(fs, "old_roots").slice(-2), [OLD[2], FIRST]),
  },
  {
    fault: "a user has filled the metadata, and there is neither a reserve nor more than one old root",
    happens: "boots the previous root; once there is space, the next wipe works",
    filesystem: SMALL,
    arrange: async (fs) => {
      await subvolume(fs.top, `old_roots/${OLD[0]}`);
      await fillAsUser(fs.top, "@persist");
    },
    outcome: "untouched",
    says: /No space left/,
    check: async (fs) => {
      assert.ok(has(fs, "@root/mark"));
      assert.deepEqual(names(fs, "old_roots"), [OLD[0]]);
      rmSync(join(fs.top, "@persist/of-a-user"), { recursive: true });
      await run("sync", ["-f", fs.top]);
      assert.equal(wipe(fs).exitCode, 0);
      assert.ok(has(fs, `old_roots/${FIRST}/mark`));
    },
  },
  {
    fault: "a user has filled the data, and the rest of the metadata",
    happens: "creates a fresh root: deletes the reserve, and fills it again later",
    filesystem: SMALL,
    arrange: async (fs) => {
      prune(fs);
      await fillAsUser(fs.top, "@persist", "data");
    },
    outcome: "wiped",
    says: /deleted the reserve/,
  },
  {
    fault: "something else is named @root.reserve",
    happens: "does not touch it; a full filesystem then has no reserve",
    arrange: (fs) => writeFileSync(join(fs.top, "@root.reserve"), "mine"),
    outcome: "wiped",
    check: (fs) => {
      assert.match(prune(fs).report.short ?? "", /the reserve is incomplete/);
      assert.ok(has(fs, "@root.reserve"));
    },
  },
];

/** What each holds is its own, so that deleting it makes room. */
async function oldRoots(fs: Filesystem): Promise<void> {
  for (const name of OLD) {
    await subvolume(fs.top, `old_roots/${name}`);
    for (let n = 0; n < 2000; n++) writeFileSync(join(fs.top, "old_roots", name, `${n}`), "x".repeat(1500));
  }
  await run("sync", ["-f", fs.top]);
}
