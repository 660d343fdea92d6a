/** What the wipe needs to make a fresh root, and lacks. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { damageSubvolume } from "./damage.ts";
import type { Fault } from "./fault.ts";
import { CLOSURE_ROOT, has, names, subvolume, wipe } from "./wipe-filesystem.ts";

export const MEANS_FAULTS: readonly Fault[] = [
  {
    fault: "the closure's root is a folder, not a subvolume",
    happens: "boots the previous root",
    arrange: (fs) => void mkdirSync(join(fs.top, "@nix/plain/root"), { recursive: true }),
    parameters: { CLOSURE_ROOT: "@nix/plain/root" },
    outcome: "untouched",
    says: /cannot create a root/,
  },
  {
    fault: "the closure's root is immutable, so its copy cannot be renamed to @root",
    happens:
      "boots the previous root, even if that is a folder; run `chattr -i` on the closure's root and on `@root.new`",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      mkdirSync(join(fs.top, "@root"));
      writeFileSync(join(fs.top, "@root/mark"), "");
      await subvolume(fs.top, "old_roots/20200101T000000.000Z", "@nix/immutable");
      await run("chattr", ["+i", join(fs.top, "@nix/immutable")]);
    },
    parameters: { CLOSURE_ROOT: "@nix/immutable" },
    outcome: "untouched",
    says: /cannot put the fresh root in place/,
    check: (fs, { report }) => {
      assert.ok(has(fs, "@root/mark"));
      assert.equal(report.retired, null);
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z"]);
      assert.match(wipe(fs).report.reason ?? "", /cannot delete @root\.new/);
      assert.ok(has(fs, "@root/mark"));
    },
  },
  {
    fault: "the closure's root is damaged: its checksums are wrong",
    happens: "boots the previous root",
    arrange: (fs) => damageSubvolume(fs, CLOSURE_ROOT),
    outcome: "untouched",
    says: /cannot create a root: .*Input\/output error/,
  },
  {
    fault: "the closure is missing",
    happens: "boots the previous root",
    arrange: () => {},
    parameters: { CLOSURE_ROOT: "@nix/store/gone/root" },
    outcome: "untouched",
    says: /createRoot: there is no closure/,
  },
  {
    fault: "the closure has no root",
    happens: "creates an empty root",
    arrange: () => {},
    parameters: { CLOSURE_ROOT: "@nix/store/abc-nixfleet-test/none" },
    outcome: "wiped",
    fresh: [],
  },
  {
    fault: "there is no btrfs tool",
    happens: "boots the previous root",
    arrange: () => {},
    without: "btrfs",
    outcome: "untouched",
    says: /cannot create a root:.*btrfs/s,
  },
  {
    fault: "there is no stat tool",
    happens: "boots the previous root",
    arrange: () => {},
    without: "stat",
    outcome: "untouched",
    says: /cannot read the clock/,
  },
  {
    fault: "a parameter is not a number",
    happens: "boots the previous root",
    arrange: () => {},
    parameters: { KEEP_NEWEST: "three" },
    outcome: "untouched",
    says: /must be numbers/,
  },
];
