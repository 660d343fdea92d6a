/** What the wipe needs to make a fresh root, and lacks. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/machine/process.ts";
import { damageSubvolume } from "./damage.ts";
import type { Fault } from "./fault.ts";
import { CLOSURE_ROOT, has, names, subvolume, wipe } from "./wipe-filesystem.ts";

export const MEANS_FAULTS: readonly Fault[] = [
  {
    fault: "the closure's root is a folder, not a subvolume",
    happens: "the previous root",
    arrange: (fs) => void mkdirSync(join(fs.top, "@nix/plain/root"), { recursive: true }),
    parameters: { CLOSURE_ROOT: "@nix/plain/root" },
    outcome: "untouched",
    says: /no root can be made/,
  },
  {
    fault: "the closure's root is immutable, and so its copy, which cannot be put in place",
    happens: "the previous root, also where that is a folder; `chattr -i` both, and `@root.new`",
    arrange: async (fs) => {
      await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
      mkdirSync(join(fs.top, "@root"));
      writeFileSync(join(fs.top, "@root/mark"), "");
      await subvolume(fs.top, "old_roots/20200101T000000.000Z", "@nix/immutable");
      await run("chattr", ["+i", join(fs.top, "@nix/immutable")]);
    },
    parameters: { CLOSURE_ROOT: "@nix/immutable" },
    outcome: "untouched",
    says: /the fresh root cannot be put in place/,
    check: (fs, { report }) => {
      assert.ok(has(fs, "@root/mark"));
      assert.equal(report.retired, null);
      assert.deepEqual(names(fs, "old_roots"), ["20200101T000000.000Z"]);
      assert.match(wipe(fs).report.reason ?? "", /@root.new cannot be deleted/);
      assert.ok(has(fs, "@root/mark"));
    },
  },
  {
    fault: "the closure's root is damaged: its checksums are wrong",
    happens: "the previous root",
    arrange: (fs) => damageSubvolume(fs, CLOSURE_ROOT),
    outcome: "untouched",
    says: /no root can be made: .*Input\/output error/,
  },
  {
    fault: "the closure is not there",
    happens: "the previous root",
    arrange: () => {},
    parameters: { CLOSURE_ROOT: "@nix/store/gone/root" },
    outcome: "untouched",
    says: /createRoot: there is no closure/,
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
    fault: "a parameter is not a number",
    happens: "the previous root",
    arrange: () => {},
    parameters: { KEEP_NEWEST: "three" },
    outcome: "untouched",
    says: /are numbers/,
  },
];
