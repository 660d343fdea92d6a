/** A run of the wipe recorded on its way to the disk, and boots that go on from wherever a power cut leaves it. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, run } from "../../src/local/process.ts";
import { mounted, temporaryFolder } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { checkFilesystem, releasedLoopDevice } from "../btrfs/released.ts";
import type { Random } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { PARAMETERS, populate, type Scenario } from "./scenarios.ts";
import { tree } from "./tree.ts";
import { afterPowerCut, type Blocks, type Leaves, type Request, readBlocks, writeBlocks } from "./write-log.ts";

/**
 * When btrfs commits what the script does: by itself, so mostly when unmounted; also between any two of its processes;
 * or all the time. A commit comes at the latest after 30 seconds, or when memory or space is short: at any time, then.
 */
export const COMMITS = ["by itself", "between operations", "all the time"] as const;
export type Commits = (typeof COMMITS)[number];

export interface Recording {
  readonly scenario: Scenario;
  /** Of the disk, in bytes. */
  readonly size: number;
  readonly base: Blocks;
  readonly requests: readonly Request[];
  readonly before: State;
}

/** The tree of each subvolume or other thing that is directly in the filesystem or in old_roots. */
export type State = ReadonlyMap<string, string>;

/** Every point at which the power may be cut: after any number of requests. */
export interface Cut {
  readonly count: number;
  readonly leaves: Leaves;
}

const FORMAT = { megabytes: 144, args: [] };

/** In memory, as its many images are read and written whole. */
export const MEMORY: string | undefined = existsSync("/dev/shm") ? "/dev/shm" : undefined;

export async function record(scenario: Scenario, commits: Commits, script = WIPE_SCRIPT): Promise<Recording> {
  await using folder = await temporaryFolder(MEMORY);
  const image = join(folder.path, "image");
  const { megabytes, args } = scenario.format ?? FORMAT;
  await run("truncate", ["--size", `${megabytes}M`, image]);
  await run("mkfs.btrfs", ["--quiet", ...args, "--label", "crash-test", image]);
  let before: State;
  {
    await using loop = await releasedLoopDevice(image);
    before = await lookedAt(loop.device, folder.path, async (top) => {
      await populate(top);
      await scenario.arrange(top);
      return stateOf(top);
    });
  }
  const base = readBlocks(image);
  const requests = await recorded(image, folder.path, async ({ file }) => {
    await using loop = await releasedLoopDevice(file);
    const outcome = await wipe(script, folder.path, { ...scenario.parameters, DEVICE: loop.device }, commits);
    assert.equal(outcome, "", scenario.name);
  });
  return { scenario, size: megabytes * 2 ** 20, base, requests, before };
}

/**
 * Boots on from a cut of the power, and checks that nothing is lost.
 * @param thoroughly also checks the filesystem itself, and what a boot without a wipe would find
 * @returns the names of what the disk held after the cut, if looked at
 * @throws AssertionError that says what is
 */
export async function bootOn(
  recording: Recording,
  { count, leaves }: Cut,
  random: Random,
  thoroughly: boolean,
  script = WIPE_SCRIPT,
): Promise<string> {
  const { scenario, size, before, base, requests } = recording;
  await using folder = await temporaryFolder(MEMORY);
  const image = join(folder.path, "image");
  writeBlocks(afterPowerCut(base, requests, count, leaves, random), image, size);
  const parameters = { ...scenario.parameters, NOW: "2026-11-23 00:04:05" };
  let state = "";
  {
    await using loop = await releasedLoopDevice(image);
    if (thoroughly) {
      await checkFilesystem(loop.device);
      state = await lookedAt(loop.device, folder.path, async (top) => {
        const found = stateOf(top);
        checkNothingLost(before, found, scenario);
        return [...found.keys()].sort().join(" ");
      });
      // A boot that does not wipe finds a root as well.
      await wipe(script, folder.path, { ...parameters, DEVICE: loop.device, ...skip(folder.path) });
      const roots = await lookedAt(loop.device, folder.path, async (top) => readdirSync(top));
      if ([...before.keys()].some((name) => /^@root|^old_roots\/2026/.test(name))) assert.ok(roots.includes("@root"));
    }
    assert.equal(await wipe(script, folder.path, { ...parameters, DEVICE: loop.device }), "");
    await lookedAt(loop.device, folder.path, async (top) => {
      const after = stateOf(top);
      checkNothingLost(before, after, scenario);
      const fresh = scenario.parameters.CLOSURE_ROOT === "" ? [] : ["etc"];
      assert.deepEqual(readdirSync(join(top, "@root")), fresh, "the root is fresh");
      assert.deepEqual(
        readdirSync(top)
          .filter((name) => name !== RESERVE)
          .sort(),
        ["@nix", "@persist", "@root", "old_roots"],
      );
      const left = scenario.due.filter((name) => after.has(`old_roots/${name}`));
      assert.deepEqual(left, [], "what was due is pruned in the end");
    });
    if (thoroughly) await checkFilesystem(loop.device);
  }
  return state;
}

const RESERVE = "@root.reserve";

/** Nothing but what was due is gone, nothing that stays has changed, and the root that was in use is there. */
function checkNothingLost(before: State, after: State, { due }: Scenario): void {
  const isDue = (path: string) => due.some((name) => path === `old_roots/${name}`);
  const retiredNow = /^old_roots\/20261123T00(0312|0405)\.\d{3}Z$/;
  for (const [path, was] of before) {
    if (path === RESERVE) continue; // it is there to be given up
    // Nobody has used it; or it goes, and what is nested in it goes first.
    if (path === "@root.new" || isDue(path) || after.get(path) === was) continue;
    // The root that was in use; where there was none, a boot without a wipe puts the newest old one in its place.
    const mayMove = path === "@root" || (!before.has("@root") && path === newestOf(before));
    const places = [...after].filter(([place, is]) => is === was && (place === "@root" || retiredNow.test(place)));
    assert.ok(mayMove && places.length === 1, `${path} has changed: ${was}\n=> ${after.get(path) ?? "it is gone"}`);
  }
  const more = [...after.keys()].filter((path) => !before.has(path) && !/^@root(\.new)?$|^old_roots$/.test(path));
  assert.ok(
    more.length <= 2 && more.every((path) => retiredNow.test(path)),
    `what was not there before: ${more.join(" ")}`,
  );
}

function newestOf(state: State): string | undefined {
  return [...state.keys()]
    .filter((path) => /^old_roots\/\d{8}T\d{6}\.\d{3}Z$/.test(path))
    .sort()
    .at(-1);
}

function stateOf(top: string): State {
  const paths = readdirSync(top).flatMap((name) =>
    name === "old_roots" ? readdirSync(join(top, name)).map((old) => join(name, old)) : [name],
  );
  return new Map(paths.map((path) => [path, tree(join(top, path))]));
}

async function lookedAt<T>(device: string, scratch: string, look: (top: string) => Promise<T>): Promise<T> {
  const top = join(scratch, "top");
  mkdirSync(top, { recursive: true });
  await using _ = await mounted(device, top, ["subvolid=5"]);
  return await look(top);
}

function skip(scratch: string) {
  const KERNEL_COMMAND_LINE = join(scratch, "cmdline");
  writeFileSync(KERNEL_COMMAND_LINE, "nixfleet.wipe=skip\n");
  return { KERNEL_COMMAND_LINE, NIX_SUBVOLUME: "@nix" };
}

let runs = 0;

/** Runs the script as a boot does, and returns what went wrong. */
async function wipe(
  script: string,
  scratch: string,
  parameters: Readonly<Record<string, string | number>>,
  commits: Commits = "by itself",
): Promise<string> {
  const conf = join(scratch, "wipe.conf");
  const MOUNTPOINT = join(scratch, "mountpoint");
  mkdirSync(MOUNTPOINT, { recursive: true });
  writeFileSync(
    conf,
    scriptParameters({ ...PARAMETERS, MOUNTPOINT, REPORT: join(scratch, `report-${runs++}`), ...parameters }),
  );
  const env = commits === "by itself" ? {} : { PATH: `${committingTools(scratch, commits)}:${process.env.PATH}` };
  return run("/bin/sh", [script, conf], { env }).then(
    () => "",
    (error: unknown) => {
      if (error instanceof CommandError) return `${error.message}\n${error.detail.join("\n")}`;
      throw error;
    },
  );
}

/** The tools that the script calls, with commits of the filesystem that is the current folder. */
function committingTools(scratch: string, commits: Exclude<Commits, "by itself">): string {
  const folder = join(scratch, "tools");
  mkdirSync(folder, { recursive: true });
  for (const tool of ["btrfs", "mv", "mkdir", "stat", "date", "umount"]) {
    const path = join(folder, tool);
    const real = `PATH=$\{PATH#*:}; set -- ${tool} "$@"`;
    const text =
      commits === "between operations"
        ? `${real}\nsync -f .\nstatus=0\n"$@" || status=$?\nsync -f .\nexit $status\n`
        : `${real}\n(trap 'exit 0' TERM; while :; do sync -f .; done) >/dev/null 2>&1 &\nstatus=0\n"$@" || status=$?\nkill $!\nwait\nexit $status\n`;
    writeFileSync(
      path,
      `#!/bin/sh\n${tool === "umount" ? `exec $\{PATH:+env} PATH="$\{PATH#*:}" ${tool} "$@"\n` : text}`,
    );
    chmodSync(path, 0o755);
  }
  return folder;
}
