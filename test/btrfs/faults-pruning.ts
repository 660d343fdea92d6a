/** What stands in the way of pruning. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { damageSubvolume } from "./damage.ts";
import { type Fault, FIRST } from "./fault.ts";
import { has, names, prune, subvolume } from "./wipe-filesystem.ts";

const OLDEST = "old_roots/20200101T000000.000Z";

export const PRUNING_FAULTS: readonly Fault[] = [
  {
    fault: "the clock is before the newest old root",
    happens: "prunes nothing",
    arrange: (fs) => subvolume(fs.top, "old_roots/20200101T000000.000Z", "old_roots/20990101T000000.000Z"),
    parameters: { KEEP_NEWEST: 0 },
    outcome: "wiped",
    says: /nothing is pruned: the clock/,
    check: (fs) => assert.ok(has(fs, "old_roots/20200101T000000.000Z")),
  },
  {
    fault: "an old root is immutable",
    happens: "keeps and names it, and prunes the others",
    arrange: async (fs) => {
      await subvolume(fs.top, "old_roots/20200101T000000.000Z", "old_roots/20200102T000000.000Z");
      await run("chattr", ["+i", join(fs.top, "old_roots/20200101T000000.000Z")]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    says: /cannot delete the old root 20200101T000000.000Z/,
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", FIRST]),
    restore: async (fs) => void (await run("chattr", ["-i", join(fs.top, "old_roots/20200101T000000.000Z")])),
  },
  {
    fault: "an old root contains nested subvolumes, read-only snapshots and immutable files",
    happens: "prunes it with all of them",
    arrange: async (fs) => {
      const root = "old_roots/20200101T000000.000Z";
      await subvolume(fs.top, root, `${root}/a`, `${root}/a/b`);
      await run("btrfs", ["subvolume", "snapshot", "-r", join(fs.top, "@persist"), join(fs.top, root, "a/snapshot")]);
      writeFileSync(join(fs.top, root, "a/b/immutable"), "");
      await run("chattr", ["+i", join(fs.top, root, "a/b/immutable")]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), [FIRST]),
  },
  {
    fault: "an old root is mounted, because the host booted it by name",
    happens: "keeps and names it, and prunes the others",
    arrange: async (fs) => {
      await subvolume(fs.top, OLDEST, `${OLDEST}/nested`, "old_roots/20200102T000000.000Z");
      writeFileSync(join(fs.top, OLDEST, "in-use"), "");
      mkdirSync(join(fs.scratch, "place"));
      await run("mount", ["-t", "btrfs", "-o", `subvol=${OLDEST}`, fs.device, join(fs.scratch, "place")]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    says: /20200101T000000.000Z is mounted, so it is kept/,
    check: (fs) => {
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", FIRST]);
      assert.deepEqual(names(fs, OLDEST), ["in-use", "nested"]);
    },
    restore: async (fs) => void (await run("umount", [join(fs.scratch, "place")])),
  },
  {
    fault: "a subvolume nested in an old root holds a swap file that is in use",
    happens: "keeps and names it, and prunes the others",
    arrange: async (fs) => {
      await subvolume(fs.top, OLDEST, `${OLDEST}/nested`, "old_roots/20200102T000000.000Z");
      const swap = join(fs.top, OLDEST, "nested/swapfile");
      await run("btrfs", ["filesystem", "mkswapfile", "--size", "8m", swap]);
      await run("swapon", [swap]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    says: /cannot delete the old root 20200101T000000.000Z/,
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", FIRST]),
    restore: async (fs) => void (await run("swapoff", [join(fs.top, OLDEST, "nested/swapfile")])),
  },
  {
    fault: "an old root is damaged: its checksums are wrong",
    happens: "keeps and names it, and prunes the others",
    arrange: async (fs) => {
      await subvolume(fs.top, OLDEST, "old_roots/20200102T000000.000Z");
      await damageSubvolume(fs, OLDEST);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    says: /20200101T000000.000Z': Input\/output error/,
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", FIRST]),
  },
  {
    fault: "quotas are on",
    happens: "wipes and prunes as usual",
    arrange: async (fs) => {
      await subvolume(fs.top, OLDEST);
      await run("btrfs", ["quota", "enable", fs.top]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), [FIRST]),
  },
  {
    fault: "there are thousands of old roots",
    happens: "creates a fresh root as fast as without them, and prunes them in the background",
    filesystem: { megabytes: 1024 },
    arrange: async (fs) => {
      mkdirSync(join(fs.top, "old_roots"));
      await run("perl", ["-e", MAKE_OLD_ROOTS, "2000"], { cwd: join(fs.top, "old_roots") });
    },
    parameters: { PRUNE: "" },
    outcome: "wiped",
    check: (fs) => {
      assert.equal(names(fs, "old_roots").length, 2001);
      assert.equal(prune(fs).exitCode, 0);
      assert.equal(names(fs, "old_roots").length, 3);
    },
  },
];

/** Makes subvolumes: the call that is 0x5000940e makes one in the folder that it is given. */
const MAKE_OLD_ROOTS = `
sysopen my $here, ".", 0 or die;
for (0 .. $ARGV[0] - 1) {
  my $name = sprintf "20200101T%06d.%03dZ", $_ / 1000, $_ % 1000;
  my $argument = pack("q a4088", 0, $name);
  ioctl $here, 0x5000940e, $argument or die "$name: $!";
}`;
