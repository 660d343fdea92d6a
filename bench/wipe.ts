/**
 * How long the wipe takes, for 0 to 1,000 old roots that are due, beside the four bare operations: mount, rename, create
 * and unmount, done by the tools themselves from one shell. `node bench/wipe.ts` runs it alone, as root.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scriptParameters, WIPE_SCRIPT } from "../src/initrd/files.ts";
import { run } from "../src/machine/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../src/machine/resources.ts";
import { type BenchRow, report } from "./rows.ts";

const OLD_ROOTS = [0, 10, 100, 1000] as const;
/** Of each, the middle one counts. */
const RUNS = 15;

export async function benchWipe(): Promise<readonly BenchRow[]> {
  const measured: { readonly oldRoots: number; readonly wipe: number; readonly bare: number }[] = [];
  for (const oldRoots of OLD_ROOTS) measured.push({ oldRoots, ...(await measure(oldRoots)) });
  const [none = Number.NaN, ...others] = measured.map(({ wipe, bare }) => wipe / bare);
  const growth = (others.at(-1) ?? Number.NaN) / none;
  return [
    ...measured.map(({ oldRoots, wipe, bare }) => ({
      what: `wipe, ${oldRoots} old roots due`,
      measured: `${wipe.toFixed(1)} ms, the bare operations ${bare.toFixed(1)} ms`,
      ratio: wipe / bare,
      wanted: "of the bare operations: at most 1.5",
      holds: wipe / bare <= 1.5,
    })),
    {
      what: "wipe, 1,000 old roots due beside none",
      measured: "each by its bare operations, which on a larger filesystem take longer",
      ratio: growth,
      wanted: "it grows no more than they do: at most 1.2",
      holds: growth <= 1.2,
    },
  ];
}

/** Milliseconds of a wipe, and of the bare operations, by turns on the same filesystem. */
async function measure(oldRoots: number): Promise<{ wipe: number; bare: number }> {
  await using folder = await temporaryFolder(existsSync("/dev/shm") ? "/dev/shm" : undefined);
  const image = join(folder.path, "image");
  await run("truncate", ["--size", "4G", image]);
  await run("mkfs.btrfs", ["--quiet", "--label", "bench", image]);
  await using loop = await loopDevice(image);
  const top = join(folder.path, "top");
  mkdirSync(top);
  {
    await using _ = await mounted(loop.device, top, ["subvolid=5"]);
    await run("btrfs", ["subvolume", "create", join(top, "@root")]);
    mkdirSync(join(top, "old_roots"));
    await run("/bin/sh", ["-c", MAKE_OLD_ROOTS, "sh", `${oldRoots}`], { cwd: join(top, "old_roots") });
  }
  const wipes: number[] = [];
  const bares: number[] = [];
  for (let turn = 0; turn < RUNS; turn++) {
    bares.push(timed(["-c", BARE, "sh", loop.device, top, `bare-${turn}`]));
    const conf = join(folder.path, "wipe.conf");
    const parameters = { DEVICE: loop.device, RETENTION_DAYS: 30, KEEP_NEWEST: 3, CLOSURE_ROOT: "" };
    writeFileSync(conf, scriptParameters({ ...parameters, REPORT: join(folder.path, `report-${turn}`) }));
    wipes.push(timed([WIPE_SCRIPT, conf]));
  }
  return { wipe: median(wipes), bare: median(bares) };
}

/** What is to be pruned, $1 of it, each with three others nested in it. */
const MAKE_OLD_ROOTS = `
i=0
while [ $i -lt "$1" ]; do
  name=$(printf '20200101T%06d.000Z' $i)
  btrfs subvolume create "$name"
  for nested in a b c; do btrfs subvolume create "$name/$nested"; done
  i=$((i + 1))
done >/dev/null`;

/** $1 is the device, $2 where to mount it, $3 the new name of the old root. */
const BARE = `
set -eu
mount -t btrfs -o rw,noatime,subvolid=5 "$1" "$2"
mv "$2/@root" "$2/old_roots/$3"
btrfs subvolume create "$2/@root" >/dev/null
umount "$2"`;

function timed(command: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync("/bin/sh", command, { encoding: "utf8" });
  const milliseconds = performance.now() - began;
  if (status !== 0) throw new Error(stderr);
  return milliseconds;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) report(await benchWipe());
