/**
 * How long activation takes, and how many processes it starts, for 10 to 5,000 entries that exist already, on btrfs on a
 * loop device; beside the three tools that do it, called alone on the same files. `node bench/activation.ts` runs it
 * alone, as root.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shippedList } from "../src/closure/tree/shipped.ts";
import { diskoTemplates, mkHost } from "../src/index.ts";
import { run } from "../src/local/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../src/local/resources.ts";
import { scriptParameters } from "../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../src/payload/initrd/wipe-files.ts";
import { bindFstab, entriesList, ownersList, SYSROOT, tmpfilesConfig } from "../src/plan/activation.ts";
import type { PersistencePlan } from "../src/plan/persistence-plan.ts";
import { activationReport } from "../test/reports.ts";
import { type BenchRow, report } from "./rows.ts";

const ENTRIES = [10, 100, 1_000, 5_000] as const;
/** Of each, the middle one counts. */
const RUNS = 5;
/** Milliseconds for what is not the entries: the shell, /usr, maps of ids, owners that are compared. */
const FIXED = 50;
const CLOSURE = "/nix/store/abc-nixfleet-bench";

interface Measured {
  readonly entries: number;
  /** Milliseconds. */
  readonly activation: number;
  readonly bare: number;
  readonly processes: number;
}

export async function benchActivation(): Promise<readonly BenchRow[]> {
  const measured: Measured[] = [];
  for (const entries of ENTRIES) measured.push(await measure(entries));
  const counts = measured.map(({ processes }) => processes);
  return [
    ...measured.map(({ entries, activation, bare, processes }) => {
      const ratio = activation / (bare + FIXED);
      return {
        what: `activation, ${entries.toLocaleString("en")} entries`,
        measured: `${activation.toFixed(0)} ms, ${processes} processes; the bare tools ${bare.toFixed(0)} ms`,
        ratio,
        wanted: `of the bare tools and ${FIXED} ms: at most 1.5`,
        holds: ratio <= 1.5,
      };
    }),
    {
      what: "activation, processes for 5,000 entries beside those for 10",
      measured: counts.join(", "),
      ratio: (counts.at(-1) ?? Number.NaN) / (counts[0] ?? Number.NaN),
      wanted: "the same number: 1",
      holds: new Set(counts).size === 1,
    },
  ];
}

async function measure(count: number): Promise<Measured> {
  await using folder = await temporaryFolder(existsSync("/dev/shm") ? "/dev/shm" : undefined);
  const image = join(folder.path, "image");
  await run("truncate", ["--size", "2G", image]);
  await run("mkfs.btrfs", ["--quiet", image]);
  await using loop = await loopDevice(image);
  const sysroot = join(folder.path, "sysroot");
  mkdirSync(sysroot);
  await using _ = await mounted(loop.device, sysroot);
  const closure = join(sysroot, CLOSURE);
  makeHost(sysroot, closure, persistencePlan(count));
  const conf = join(folder.path, "activate.conf");
  const reportFile = join(folder.path, "run/activation.report");
  const parameters = { MACHINE_ID: "", KEYS: "", ROOT_DEVICE: "", STATE: "/persist/.nixfleet", REPORT: reportFile };
  writeFileSync(conf, scriptParameters({ ...parameters, ID_MAPS: "/persist/var/lib/nixos" }));
  const activate = [join(WIPE_SCRIPT, "../activate.sh"), sysroot, CLOSURE, conf];
  const bare = ["-c", BARE, "sh", sysroot, closure];
  timed(sysroot, activate);
  const [activations, bares]: [number[], number[]] = [[], []];
  let processes = 0;
  for (let turn = 0; turn < RUNS; turn++) {
    bares.push(timed(sysroot, bare).milliseconds);
    const one = timed(sysroot, activate);
    activations.push(one.milliseconds);
    processes = one.processes;
  }
  const { outcome, problems } = activationReport(readFileSync(reportFile, "utf8"));
  if (outcome !== "complete") throw new Error(`activation was ${outcome}: ${problems.join()}`);
  return { entries: count, activation: median(activations), bare: median(bares), processes };
}

/** Half of them folders, a quarter files that are linked and a quarter files that are bound. */
function persistencePlan(count: number): PersistencePlan {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const file = (i: number) => ({
    file: `/etc/files/${i}`,
    how: i % 4 === 1 ? ("bind" as const) : ("symlink" as const),
  });
  return mkHost({
    hostName: "bench",
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      {
        environment: {
          persistence: {
            "/persist": {
              directories: [
                "/var/lib/nixos",
                ...numbers.filter((i) => i % 2 === 0).map((i) => `/var/lib/folders/${i}`),
              ],
              files: numbers.filter((i) => i % 2 === 1).map(file),
            },
          },
        },
      },
    ],
  }).plan().persistence;
}

/** The closure's files, and this machine's own programs as its /usr. */
function makeHost(sysroot: string, closure: string, plan: PersistencePlan): void {
  const root = join(closure, "root");
  for (const path of [root, join(closure, "usr"), join(sysroot, "etc"), join(root, "etc")])
    mkdirSync(path, { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(sysroot, name));
  for (const etc of [join(sysroot, "etc"), join(root, "etc")]) {
    writeFileSync(join(etc, "passwd"), "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
    writeFileSync(join(etc, "group"), "root:x:0:\nalice:x:1000:\n");
  }
  const folders = plan.entries.filter(({ kind }) => kind === "directory");
  for (const { path } of folders) mkdirSync(join(root, path), { recursive: true });
  const texts = {
    "tmpfiles.conf": tmpfilesConfig(plan),
    fstab: bindFstab(plan).replaceAll(`${SYSROOT}/`, `${sysroot}/`),
    "entries.list": entriesList(plan.entries),
    "owners.list": ownersList(plan),
    "shipped.list": shippedList(plan, [], { root, packageFolder: root, packages: "/nix/store/abc-debian" }),
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(closure, name), text);
}

/** What activation cannot do without, of a closure $2 below $1. */
const BARE = `
set -eu
mount --bind -o ro "$2/usr" "$1/usr"
systemd-tmpfiles --root="$1/" --create "$2/tmpfiles.conf"
mount --all --fstab "$2/fstab" --target-prefix "$1"`;

/** In namespaces of its own: its mounts end with it, and the last process has the number of all there were. */
function timed(
  sysroot: string,
  command: readonly string[],
): { readonly milliseconds: number; readonly processes: number } {
  for (const name of ["var", "etc/files"]) spawnSync("rm", ["-rf", "--one-file-system", join(sysroot, name)]);
  mkdirSync(join(sysroot, "usr"), { recursive: true });
  const script = `
    mount --bind /usr "$0${CLOSURE}/usr"
    before=$(date +%s%N); /bin/sh "$@"; status=$?; after=$(date +%s%N)
    /bin/sh -c 'echo $$ "$0"' $((after - before)); exit "$status"`;
  const argv = ["--mount", "--pid", "--fork", "/bin/sh", "-c", script, sysroot, ...command];
  const { status, stdout, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const [processes = 0, nanoseconds = 0] = stdout.trim().split(" ").map(Number);
  return { milliseconds: nanoseconds / 1e6, processes };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.main) report(await benchActivation());
