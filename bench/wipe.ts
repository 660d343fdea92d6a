/**
 * How long the wipe takes, for 0 to 1,000 old roots that are due, beside the four operations that it cannot do without:
 * mount, rename, create and unmount, by a shell that calls the tool of each. A script cannot be compared with the system
 * calls alone, which take a third of that, but they are shown too: timed within one process of perl, they are what the
 * filesystem itself takes. `node bench/wipe.ts` runs it alone, as root. The image is on a disk, as a host's is.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../src/local/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../src/local/resources.ts";
import { scriptParameters } from "../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../src/payload/initrd/wipe-files.ts";
import { type BenchRow, report } from "./rows.ts";

const OLD_ROOTS = [0, 10, 100, 1000] as const;
/** Of each, the fastest counts: what else the machine does only adds to it. */
const RUNS = 25;

export async function benchWipe(): Promise<readonly BenchRow[]> {
  const measured: (Measured & { readonly oldRoots: number })[] = [];
  for (const oldRoots of OLD_ROOTS) measured.push({ oldRoots, ...(await measure(oldRoots)) });
  const [none = Number.NaN, ...others] = measured.map(({ wipe, tools }) => wipe / tools);
  const growth = (others.at(-1) ?? Number.NaN) / none;
  return [
    ...measured.map(({ oldRoots, wipe, bare, tools }) => ({
      what: `wipe, ${oldRoots} old roots due`,
      measured: `${wipe.toFixed(1)} ms, the four operations ${tools.toFixed(1)} ms, by system calls ${bare.toFixed(1)} ms`,
      ratio: wipe / tools,
      wanted: "of the four operations: at most 1.5",
      holds: wipe / tools <= 1.5,
    })),
    {
      what: "wipe, 1,000 old roots due beside none",
      measured: "each by its four operations, which on a larger filesystem take longer",
      ratio: growth,
      wanted: "it grows no more than they do: at most 1.2",
      holds: growth <= 1.2,
    },
  ];
}

/** In milliseconds, by turns on the same filesystem. */
interface Measured {
  readonly wipe: number;
  /** Of the four operations by mount(8), mv, btrfs and umount(8), called by a shell. */
  readonly tools: number;
  /** Of the same by system calls. */
  readonly bare: number;
}

async function measure(oldRoots: number): Promise<Measured> {
  await using folder = await temporaryFolder();
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
  const tools: number[] = [];
  for (let turn = 0; turn < RUNS; turn++) {
    bares.push(bare(loop.device, top, `bare-${turn}`));
    tools.push(timed(["-c", TOOLS, "sh", loop.device, top, `tools-${turn}`]));
    const conf = join(folder.path, "wipe.conf");
    const parameters = { DEVICE: loop.device, MOUNTPOINT: top, RETENTION_DAYS: 30, KEEP_NEWEST: 3, CLOSURE_ROOT: "" };
    writeFileSync(conf, scriptParameters({ ...parameters, REPORT: join(folder.path, `report-${turn}`) }));
    wipes.push(timed([WIPE_SCRIPT, conf]));
  }
  return { wipe: Math.min(...wipes), bare: Math.min(...bares), tools: Math.min(...tools) };
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

/** By the numbers of linux/asm-generic/unistd.h and, on x86_64, its own; BTRFS_IOC_SUBVOL_CREATE is 0x5000940e. */
const CALLS = process.arch === "arm64" ? { mount: 40, umount2: 39 } : { mount: 165, umount2: 166 };

/** The device, where to mount it, the new name of the old root; MS_NOATIME is 1024. */
const BARE = `
use Fcntl; use Time::HiRes "time";
my ($device, $top, $name) = @ARGV;
my ($type, $options, $flags) = ("btrfs", "subvolid=5", 1024);
my $created = pack("q a4088", 0, "\\@root");
my $began = time;
syscall(${CALLS.mount}, $device, $top, $type, $flags, $options) == 0 or die "mount: $!";
rename "$top/\\@root", "$top/old_roots/$name" or die "rename: $!";
sysopen my $folder, $top, O_RDONLY or die "open: $!";
ioctl $folder, 0x5000940e, $created or die "create: $!";
close $folder;
syscall(${CALLS.umount2}, $top, 0) == 0 or die "unmount: $!";
print 1000 * (time - $began);`;

const TOOLS = `
set -eu
mount -t btrfs -o rw,noatime,subvolid=5 "$1" "$2"
mv "$2/@root" "$2/old_roots/$3"
btrfs subvolume create "$2/@root" >/dev/null
umount "$2"`;

function bare(...args: readonly string[]): number {
  const { status, stdout, stderr } = spawnSync("perl", ["-e", BARE, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

function timed(command: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync("/bin/sh", command, { encoding: "utf8" });
  const milliseconds = performance.now() - began;
  if (status !== 0) throw new Error(stderr);
  return milliseconds;
}

if (import.meta.main) report(await benchWipe());
