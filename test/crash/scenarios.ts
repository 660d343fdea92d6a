/** Filesystems as a boot may find them, and what the wipe is to do with each. */
import { chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { fillAsUser } from "../btrfs/fill.ts";
import { CLOSURE_ROOT, subvolume } from "../btrfs/wipe-filesystem.ts";

export interface Scenario {
  readonly name: string;
  /** By default one of data and metadata apart, and large enough. */
  readonly format?: { readonly megabytes: number; readonly args: readonly string[] };
  /** Each of its boots takes seconds: a few points of one recording are tried. */
  readonly slow?: true;
  /** Fills a filesystem, mounted at `top`, that holds `@persist` and `@nix`. */
  readonly arrange: (top: string) => Promise<void>;
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Names of old roots that may be deleted. */
  readonly due: readonly string[];
}

export const PARAMETERS = {
  RETENTION_DAYS: 30,
  KEEP_NEWEST: 3,
  PRUNE: "",
  CLOSURE_ROOT,
  NOW: "2026-11-23 00:03:12",
} as const;

const DUE = ["20200101T000000.000Z", "20200102T000000.000Z"] as const;
const RECENT = ["20261101T000000.000Z", "20261102T000000.000Z", "20261103T000000.000Z"] as const;

export const SCENARIOS: readonly Scenario[] = [
  { name: "the first boot", arrange: async () => {}, parameters: {}, due: [] },
  { name: "a boot", arrange: (top) => roots(top, "@root"), parameters: {}, due: [] },
  {
    name: "a wipe that prunes two old roots",
    arrange: (top) => roots(top, "@root", ...oldRoots(...DUE, ...RECENT)),
    parameters: { PRUNE: "yes" },
    due: DUE,
  },
  {
    name: "a wipe that prunes old roots with others nested in them",
    arrange: async (top) => {
      await roots(top, "@root", ...oldRoots(...DUE, ...RECENT));
      await roots(top, ...DUE.map((name) => `old_roots/${name}/var/lib/machines`));
      await roots(top, ...DUE.map((name) => `old_roots/${name}/var/lib/machines/inner`), "@root/nested");
    },
    parameters: { PRUNE: "yes" },
    due: DUE,
  },
  {
    name: "a boot after a crash that left @root.new",
    arrange: (top) => roots(top, "@root", "@root.new", ...oldRoots(...RECENT)),
    parameters: {},
    due: [],
  },
  {
    name: "a boot after a crash that left no @root",
    arrange: (top) => roots(top, "@root.new", ...oldRoots(DUE[0], ...RECENT)),
    parameters: { PRUNE: "yes" },
    due: DUE,
  },
  {
    name: "a boot of a closure without a root, beside what the wipe did not put into old_roots",
    arrange: async (top) => {
      await roots(top, "@root", ...oldRoots(DUE[0], ...RECENT, "backup", "20190101T000000.000Z.kept"));
      mkdirSync(join(top, "old_roots/20190102T000000.000Z"));
      symlinkSync("../@persist", join(top, "old_roots/20190103T000000.000Z"));
    },
    parameters: { CLOSURE_ROOT: "", PRUNE: "yes" },
    due: DUE,
  },
  {
    name: "a boot on a filesystem that a user has filled, which gives up its reserve",
    format: { megabytes: 48, args: ["--mixed"] },
    slow: true,
    arrange: async (top) => {
      await roots(top, "@root", ...oldRoots(...RECENT));
      // Two boots' worth, for what makes it whole again is no part of the wipe.
      await run("sh", ["-c", `${FILL_RESERVE}\nRESERVE_MIB=8 && fillReserve`], { cwd: top });
      await fillAsUser(top, "@persist");
    },
    parameters: {},
    due: [],
  },
];

const FILL_RESERVE = ["filesystem", "old-roots", "room"]
  .map((name) => `. ${join(WIPE_SCRIPT, "..", `${name}.sh`)}`)
  .join("\n");

/** What every filesystem has. */
export async function populate(top: string): Promise<void> {
  await roots(top, "@persist", "@nix", "@persist/home/alice");
  await subvolume(top, CLOSURE_ROOT);
  mkdirSync(join(top, CLOSURE_ROOT, "etc"));
  await run("btrfs", ["property", "set", "-ts", join(top, CLOSURE_ROOT), "ro", "true"]);
}

function oldRoots(...names: readonly string[]): string[] {
  return names.map((name) => `old_roots/${name}`);
}

/** Subvolumes with something in them that tells one from the other. */
async function roots(top: string, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await subvolume(top, path);
    const file = join(top, path, "etc/mark");
    mkdirSync(join(file, ".."));
    writeFileSync(file, `${path}\n`);
    writeFileSync(join(top, path, "large"), path.repeat(2000));
    chownSync(file, 1000, 1000);
  }
}
