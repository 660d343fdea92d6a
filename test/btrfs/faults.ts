/** Each fault that a wipe may meet: how a filesystem comes to have it, and what the wipe then does. docs/wipe.md lists them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, renameSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/machine/process.ts";
import { type Filesystem, filesystem, has, names, type Outcome, prune, subvolume, wipe } from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";

export interface Fault {
  readonly fault: string;
  /** As docs/wipe.md says it. */
  readonly happens: string;
  readonly filesystem?: Parameters<typeof filesystem>[0];
  readonly arrange: (fs: Filesystem) => Promise<void> | void;
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** A tool that is not there. */
  readonly without?: string;
  /** What is in the fresh root; by default what the closure's has. */
  readonly fresh?: readonly string[];
  /** `untouched`: @root and everything else are as they were, and the run failed. */
  readonly outcome: "wiped" | "untouched";
  readonly says?: RegExp;
  readonly check?: (fs: Filesystem, outcome: Outcome) => Promise<void> | void;
  readonly restore?: (fs: Filesystem) => Promise<void> | void;
}

export const FAULTS: readonly Fault[] = [
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
    fault: "@root is a plain directory",
    happens: "it is kept as `old_roots/<time>.kept`, which is never pruned, and there is a fresh root",
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
    happens: "each is kept, under a name of its own",
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
    happens: "the link is kept as `old_roots/<time>.kept`, and there is a fresh root",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      symlinkSync("@persist", join(fs.top, "@root"));
    },
    outcome: "wiped",
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), [`${FIRST}.kept`]),
  },
  {
    fault: "@root is set read-only",
    happens: "it is set writable, because a read-only subvolume cannot be moved; then as always",
    arrange: async (fs) => {
      await run("btrfs", ["property", "set", "-ts", join(fs.top, "@root"), "ro", "true"]);
    },
    outcome: "wiped",
    check: (fs) => assert.ok(has(fs, `old_roots/${FIRST}/mark`)),
  },
  {
    fault: "@root has nested subvolumes, a read-only snapshot and an immutable file",
    happens: "they are retired with it",
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
    happens: "the previous root; `chattr -i` it",
    arrange: async (fs) => void (await run("chattr", ["+i", join(fs.top, "@root")])),
    outcome: "untouched",
    says: /@root cannot be retired/,
    restore: async (fs) => void (await run("chattr", ["-i", join(fs.top, "@root")])),
  },
  {
    fault: "a crash left no @root, and a half-done @root.new",
    happens: "`@root.new` is deleted and made anew; a fresh root",
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
    happens: "the newest old root becomes `@root`",
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
    happens: "the previous root; it is not touched",
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
    happens: "the previous root; what it leads to is not touched",
    arrange: (fs) => symlinkSync("@persist", join(fs.top, "old_roots")),
    outcome: "untouched",
    says: /old_roots is a link/,
    check: (fs) => assert.deepEqual(names(fs, "@persist"), ["precious"]),
  },
  {
    fault: "old_roots is a file",
    happens: "the previous root; it is not touched",
    arrange: (fs) => writeFileSync(join(fs.top, "old_roots"), ""),
    outcome: "untouched",
    says: /old_roots is not a folder/,
  },
  {
    fault: "the closure's root is a folder, not a subvolume",
    happens: "the previous root",
    arrange: (fs) => void mkdirSync(join(fs.top, "@nix/plain/root"), { recursive: true }),
    parameters: { CLOSURE_ROOT: "@nix/plain/root" },
    outcome: "untouched",
    says: /no root can be made/,
  },
  {
    fault: "there is no btrfs tool",
    happens: "the previous root",
    arrange: () => {},
    without: "btrfs",
    outcome: "untouched",
    says: /no root can be made:.*btrfs/s,
  },
  {
    fault: "there is no stat tool",
    happens: "the previous root",
    arrange: () => {},
    without: "stat",
    outcome: "untouched",
    says: /the time cannot be told/,
  },
  {
    fault: "the device is read-only",
    happens: "the previous root",
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
    happens: "it cannot be mounted, and is not touched",
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
    happens: "nothing is touched",
    arrange: () => {},
    parameters: { DEVICE: "", LABEL: "no-such-label" },
    outcome: "untouched",
    says: /no filesystem is labelled no-such-label/,
  },
  {
    fault: "a parameter is not a number",
    happens: "the previous root",
    arrange: () => {},
    parameters: { KEEP_NEWEST: "three" },
    outcome: "untouched",
    says: /are numbers/,
  },
  {
    fault: "two filesystems have the label",
    happens: "neither is touched, both are named; the boot goes on with the one that has a `@root`, if only one has",
    filesystem: { label: "fault-twins" },
    arrange: async () => {
      twin = await filesystem({ label: "fault-twins" });
    },
    parameters: { DEVICE: "", LABEL: "fault-twins" },
    outcome: "untouched",
    says: /two filesystems are labelled fault-twins: \/dev\/\S+ \/dev\//,
    restore: async () => twin?.[Symbol.asyncDispose](),
  },
  {
    fault: "@root is mounted",
    happens: "it stays",
    arrange: async (fs) => {
      mkdirSync(join(fs.scratch, "place"));
      await run("mount", ["-o", "subvol=@root", fs.device, join(fs.scratch, "place")]);
    },
    outcome: "untouched",
    says: /@root is mounted/,
    restore: async (fs) => void (await run("umount", [join(fs.scratch, "place")])),
  },
  {
    fault: "the closure is not there",
    happens: "the previous root",
    arrange: () => {},
    parameters: { CLOSURE_ROOT: "@nix/store/gone/root" },
    outcome: "untouched",
    says: /there is no closure/,
  },
  {
    fault: "the closure has no root",
    happens: "the fresh root is empty",
    arrange: () => {},
    parameters: { CLOSURE_ROOT: "@nix/store/abc-nixfleet-test/none" },
    outcome: "wiped",
    fresh: [],
  },
  {
    fault: "the clock is before the newest old root",
    happens: "nothing is pruned",
    arrange: (fs) => subvolume(fs.top, "old_roots/20200101T000000.000Z", "old_roots/20990101T000000.000Z"),
    parameters: { KEEP_NEWEST: 0 },
    outcome: "wiped",
    says: /nothing is pruned: the clock/,
    check: (fs) => assert.ok(has(fs, "old_roots/20200101T000000.000Z")),
  },
  {
    fault: "an old root is immutable",
    happens: "it stays and is named; the others are pruned",
    arrange: async (fs) => {
      await subvolume(fs.top, "old_roots/20200101T000000.000Z", "old_roots/20200102T000000.000Z");
      await run("chattr", ["+i", join(fs.top, "old_roots/20200101T000000.000Z")]);
    },
    parameters: { KEEP_NEWEST: 1 },
    outcome: "wiped",
    says: /20200101T000000.000Z cannot be deleted/,
    check: (fs) => assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z", FIRST]),
    restore: async (fs) => void (await run("chattr", ["-i", join(fs.top, "old_roots/20200101T000000.000Z")])),
  },
  {
    fault: "an old root has nested subvolumes, read-only snapshots and immutable files in it",
    happens: "it is pruned with them",
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
    fault: "there are thousands of old roots",
    happens: "a fresh root, as soon as without them; they are pruned in the background",
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

/** That with the label of another, for as long as its row lasts. */
let twin: Filesystem | undefined;

/** Makes subvolumes: the call that is 0x5000940e makes one in the folder that it is given. */
const MAKE_OLD_ROOTS = `
sysopen my $here, ".", 0 or die;
for (0 .. $ARGV[0] - 1) {
  my $name = sprintf "20200101T%06d.%03dZ", $_ / 1000, $_ % 1000;
  my $argument = pack("q a4088", 0, $name);
  ioctl $here, 0x5000940e, $argument or die "$name: $!";
}`;

async function fill(fs: Filesystem): Promise<void> {
  await run("dd", ["if=/dev/zero", `of=${join(fs.top, "@root/big")}`, "bs=64k"]).catch(() => {});
  await run("sync", ["-f", fs.top]);
  assert.throws(() => writeFileSync(join(fs.top, "@root/small"), "x"), /ENOSPC/);
}
