/** What stands in the way of retiring @root. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { damageSubvolume } from "./damage.ts";
import { type Fault, FIRST } from "./fault.ts";
import { has, names, prune, subvolume, wipe } from "./wipe-filesystem.ts";

export const ROOT_FAULTS: readonly Fault[] = [
  {
    fault: "@root is a plain directory",
    happens: "keeps it as `old_roots/<time>.kept`, which is never pruned, and creates a fresh root",
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
    happens: "keeps each under its own name",
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
    happens: "keeps the link as `old_roots/<time>.kept`, and creates a fresh root",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      symlinkSync("@persist", join(fs.top, "@root"));
    },
    outcome: "wiped",
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), [`${FIRST}.kept`]),
  },
  {
    fault: "@root is set read-only",
    happens: "makes it writable, because a read-only subvolume cannot be moved, then wipes as usual",
    arrange: async (fs) => {
      await run("btrfs", ["property", "set", "-ts", join(fs.top, "@root"), "ro", "true"]);
    },
    outcome: "wiped",
    check: (fs) => assert.ok(has(fs, `old_roots/${FIRST}/mark`)),
  },
  {
    fault: "@root has nested subvolumes, a read-only snapshot and an immutable file",
    happens: "retires them with it",
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
    happens: "boots the previous root; run `chattr -i` on it",
    arrange: async (fs) => void (await run("chattr", ["+i", join(fs.top, "@root")])),
    outcome: "untouched",
    says: /cannot retire @root/,
    restore: async (fs) => void (await run("chattr", ["-i", join(fs.top, "@root")])),
  },
  {
    fault: "@root is damaged: its checksums are wrong",
    happens: "cannot move it, so it stays; it does not boot either: boot an old root by its name (see Rescue)",
    arrange: async (fs) => {
      await subvolume(fs.top, "old_roots/20200101T000000.000Z");
      await damageSubvolume(fs, "@root");
    },
    outcome: "untouched",
    says: /cannot put the fresh root in place: .*'@root': Input\/output error/,
    check: (fs) => {
      assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "@root.new", "old_roots"]);
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z"]);
    },
  },
  {
    fault: "@root holds a swap file that is in use",
    happens: "retires the swap file with it",
    arrange: async (fs) => {
      await run("btrfs", ["filesystem", "mkswapfile", "--size", "8m", join(fs.top, "@root/swapfile")]);
      await run("swapon", [join(fs.top, "@root/swapfile")]);
    },
    outcome: "wiped",
    restore: async (fs) => void (await run("swapoff", [join(fs.top, `old_roots/${FIRST}/swapfile`)])),
  },
  {
    fault: "a crash left no @root and an incomplete @root.new",
    happens: "deletes `@root.new` and creates a fresh root",
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
    fault: "a crash left no @root, and the wipe cannot create one",
    happens: "renames the newest old root to `@root`",
    arrange: async (fs) => {
      mkdirSync(join(fs.top, "old_roots"));
      await subvolume(fs.top, "old_roots/20200101T000000.000Z");
      mkdirSync(join(fs.top, "old_roots/20270101T000000.000Z"));
      renameSync(join(fs.top, "@root"), join(fs.top, `old_roots/${FIRST}`));
    },
    parameters: { CLOSURE_ROOT: "@nix/store/gone/root" },
    outcome: "untouched",
    says: /old_roots\/20261123T000312.000Z becomes @root/,
    check: (fs) => {
      assert.ok(has(fs, "@root/mark"));
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", "20270101T000000.000Z"]);
    },
  },
  {
    fault: "something else is named @root.new",
    happens: "boots the previous root, and does not touch it",
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
    happens: "boots the previous root, and does not touch the target of the link",
    arrange: (fs) => symlinkSync("@persist", join(fs.top, "old_roots")),
    outcome: "untouched",
    says: /old_roots is a link/,
    check: (fs) => assert.deepEqual(names(fs, "@persist"), ["precious"]),
  },
  {
    fault: "a crash left no @root, and old_roots is a link",
    happens: "creates a fresh root, and does not touch the target of the link",
    arrange: async (fs) => {
      await subvolume(fs.top, "@persist/20200101T000000.000Z");
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      symlinkSync("@persist", join(fs.top, "old_roots"));
    },
    outcome: "untouched",
    says: /old_roots is a link/,
    check: (fs) => {
      assert.deepEqual(names(fs, "@root"), ["etc"]);
      assert.deepEqual(names(fs, "@persist"), ["20200101T000000.000Z", "precious"]);
      assert.match(prune(fs, { KEEP_NEWEST: 0 }).stderr, /old_roots is a link/);
      assert.deepEqual(names(fs, "@persist"), ["20200101T000000.000Z", "precious"]);
    },
  },
  {
    fault: "old_roots is a file",
    happens: "boots the previous root, and does not touch it",
    arrange: (fs) => writeFileSync(join(fs.top, "old_roots"), ""),
    outcome: "untouched",
    says: /old_roots is not a folder/,
  },
  {
    fault: "@root is mounted",
    happens: "does not touch it",
    arrange: async (fs) => {
      mkdirSync(join(fs.scratch, "place"));
      await run("mount", ["-o", "subvol=@root", fs.device, join(fs.scratch, "place")]);
    },
    outcome: "untouched",
    says: /@root is mounted/,
    restore: async (fs) => void (await run("umount", [join(fs.scratch, "place")])),
  },
];
