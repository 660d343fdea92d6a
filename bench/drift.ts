/**
 * How long `nixfleet drift` takes on a root of 1,000,000 files with 100 changes, beside what there is else: `find` that prints as much
 * of every file, and a script as people write it, which finds what is newer than the boot. `node bench/drift.ts` runs it
 * alone, as root; NIXFLEET_FILES is another number of files. Each is timed with what it reads in memory, and without.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../src/local/process.ts";
import { type AuditedHost, auditedHost } from "../test/btrfs/audited-host.ts";
import { type BenchRow, report } from "./rows.ts";

const FILES = Number(process.env.NIXFLEET_FILES ?? 1_000_000);
const FOLDERS = 1000;
const RUNS = 5;
/** For the growth: so many changes more. */
const CHANGES = [100, 1000] as const;

export async function benchDrift(): Promise<readonly BenchRow[]> {
  await using host = await auditedHost({ megabytes: 8192, pristine: fill });
  const rows: BenchRow[] = [];
  const took: number[] = [];
  for (const changes of CHANGES) {
    for (let i = 0; i < changes; i++) writeFileSync(join(host.root, `d/${i % FOLDERS}/new-${i}`), "");
    spawnSync("sync", ["-f", host.root]);
    for (const warm of [true, false]) {
      const drift = fastest(warm, () => answers(host, changes));
      const find = fastest(warm, () => shell(`find ${host.root} -xdev -printf '%P %y %m %U %G %s %T@\\n' >/dev/null`));
      const script = fastest(warm, () =>
        shell(
          `find ${host.root} -xdev -newer ${host.root}/etc/nixfleet/boot ! -type d -print | sort | xargs -r ls -ld >/dev/null`,
        ),
      );
      if (warm) took.push(drift);
      if (changes !== CHANGES[0]) continue;
      rows.push({
        what: `drift, ${changes} changes in ${FILES} files, ${warm ? "cached" : "not cached"}`,
        measured: `${drift.toFixed(0)} ms, find ${find.toFixed(0)} ms, a script of find ${script.toFixed(0)} ms`,
        ratio: drift / find,
        wanted: "of find: at most 0.02",
        holds: drift / find <= 0.02,
      });
    }
  }
  const [few = Number.NaN, many = Number.NaN] = took;
  rows.push({
    what: "drift, 1,000 changes beside 100",
    measured: `${many.toFixed(0)} ms, ${few.toFixed(0)} ms`,
    ratio: many / few,
    wanted: "it grows with the changes: at most 10",
    holds: many / few <= 10,
  });
  return [...rows, await benchRoots()];
}

const OLD_ROOTS = 1000;

/** `nixfleet roots`, which does not walk them. */
async function benchRoots(): Promise<BenchRow> {
  await using host = await auditedHost({ megabytes: 512 });
  await host.boot("2026-11-23 01:00:00");
  // BTRFS_IOC_SNAP_CREATE, without a process for each.
  const copy = `chdir shift; open my $to, "<", "."; open my $from, "<", "20261123T010000.000Z" or die $!;
    for (0 .. ${OLD_ROOTS - 1}) {
      my $args = pack "q a4088", fileno $from, sprintf "20250101T000000.%03dZ", $_;
      ioctl $to, 0x50009401, $args or die $! }`;
  await run("perl", ["-e", copy, join(host.fs.top, "old_roots")]);
  const took = fastest(true, () => {
    const { stdout, stderr } = host.command("roots", "--json");
    const found: number = JSON.parse(stdout).length;
    if (found !== OLD_ROOTS + 1) throw new Error(`roots found ${found}: ${stderr}`);
  });
  return {
    what: `roots, ${OLD_ROOTS} old roots`,
    measured: `${took.toFixed(0)} ms`,
    ratio: took / 2000,
    wanted: "of 2 s: at most 1",
    holds: took <= 2000,
  };
}

function answers(host: AuditedHost, changes: number): void {
  const { status, stdout, stderr } = host.command("drift", "--json");
  const found: number = JSON.parse(stdout).drift.length;
  if (status !== 0 || found < changes) throw new Error(`drift found ${found}: ${stderr}`);
}

function shell(script: string): void {
  const { status } = spawnSync("/bin/sh", ["-c", script]);
  if (status !== 0) throw new Error(script);
}

/** In milliseconds. */
function fastest(warm: boolean, task: () => void): number {
  if (warm) task();
  const times = Array.from({ length: warm ? RUNS : 1 }, () => {
    if (!warm) writeFileSync("/proc/sys/vm/drop_caches", "3");
    const begin = performance.now();
    task();
    return performance.now() - begin;
  });
  return Math.min(...times);
}

/** In one process: a million would take long. */
function fill(root: string): void {
  const script = `for my $d (0 .. ${FOLDERS - 1}) { mkdir "$ARGV[0]/d" unless $d; mkdir "$ARGV[0]/d/$d";
    for (0 .. ${FILES / FOLDERS - 1}) { open my $file, ">", "$ARGV[0]/d/$d/$_" or die $! } }`;
  const { status, stderr } = spawnSync("perl", ["-e", script, root], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

if (import.meta.main) report(await benchDrift());
