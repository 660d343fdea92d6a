/** A real btrfs filesystem on a loop device, and the wipe's own scripts run on it. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { type WipeReport, wipeReport } from "../../src/payload/reports.ts";
import { type PruneReport, pruneReport } from "../reports.ts";

export interface Filesystem extends MountedFilesystem, AsyncDisposable {}

export interface MountedFilesystem {
  readonly device: string;
  /** Its top level, mounted. */
  readonly top: string;
  /** Where the scripts mount it. */
  readonly mountpoint: string;
  /** For what belongs to the test, outside of the filesystem. */
  readonly scratch: string;
}

export interface Outcome {
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly stdout: string;
  readonly report: WipeReport;
}

/**
 * With `@root` (holding the file `mark`), `@persist` (holding `precious`) and a closure in `@nix`, unless `bare`.
 * Its disk is the file `disk/image` in the scratch folder; of `room` MiB it can write that many, and then no more.
 */
export async function filesystem(
  options: { label?: string; megabytes?: number; room?: number; mixed?: boolean; bare?: boolean } = {},
): Promise<Filesystem> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = stack.use(await temporaryFolder());
    const disk = join(folder.path, "disk");
    mkdirSync(disk);
    if (options.room !== undefined) {
      await run("mount", ["-t", "tmpfs", "-o", `size=${options.room}M`, "tmpfs", disk]);
      stack.defer(async () => void (await run("umount", [disk])));
    }
    const image = join(disk, "image");
    writeFileSync(image, "");
    await run("truncate", ["--size", `${options.megabytes ?? 256}M`, image]);
    // Mixed, data and metadata share the space: such a filesystem is small, and soon full.
    const format = options.mixed ? ["--mixed"] : [];
    await run("mkfs.btrfs", ["--quiet", ...format, "--label", options.label ?? "wipe-test", image]);
    const { device } = stack.use(await loopDevice(image));
    const top = join(folder.path, "top");
    mkdirSync(top);
    stack.use(await mounted(device, top, ["subvolid=5"]));
    if (!options.bare) await populate(top);
    const mountpoint = join(folder.path, "mountpoint");
    mkdirSync(mountpoint);
    const all = stack.move();
    return { device, top, mountpoint, scratch: folder.path, [Symbol.asyncDispose]: () => all.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

export const CLOSURE_ROOT = "@nix/store/abc-nixfleet-test/root";

async function populate(top: string): Promise<void> {
  await subvolume(top, "@root", "@persist", "@nix");
  writeFileSync(join(top, "@root/mark"), "first\n");
  writeFileSync(join(top, "@persist/precious"), "precious\n");
  mkdirSync(join(top, CLOSURE_ROOT, ".."), { recursive: true });
  await subvolume(top, CLOSURE_ROOT);
  mkdirSync(join(top, CLOSURE_ROOT, "etc"));
  await run("btrfs", ["property", "set", "-ts", join(top, CLOSURE_ROOT), "ro", "true"]);
}

export async function subvolume(top: string, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    mkdirSync(join(top, path, ".."), { recursive: true });
    await run("btrfs", ["subvolume", "create", join(top, path)]);
  }
}

let runs = 0;

/** Runs wipe.sh, as in a boot of its own: each run has its own report, unless `REPORT` is given. */
export function wipe(
  on: MountedFilesystem,
  parameters: Readonly<Record<string, string | number>> = {},
  path?: string,
): Outcome {
  const report = join(on.scratch, `report-${runs++}`);
  const all = {
    DEVICE: on.device,
    RETENTION_DAYS: 30,
    KEEP_NEWEST: 3,
    PRUNE: "yes",
    CLOSURE_ROOT,
    NOW: "2026-11-23 00:03:12",
    REPORT: report,
    ...parameters,
  };
  const script = runScript(WIPE_SCRIPT, on, all, path);
  return { ...script, report: wipeReport(existsSync(all.REPORT) ? readFileSync(all.REPORT, "utf8") : "end\n") };
}

/** Runs prune.sh. */
export function prune(
  on: MountedFilesystem,
  parameters: Readonly<Record<string, string | number>> = {},
  path?: string,
): Omit<Outcome, "report"> & { readonly report: PruneReport } {
  const REPORT = join(on.scratch, "prune.report");
  const all = { DEVICE: on.device, RETENTION_DAYS: 30, KEEP_NEWEST: 3, NOW: "2026-11-23 00:03:12", REPORT };
  const script = runScript(join(WIPE_SCRIPT, "../prune.sh"), on, { ...all, ...parameters }, path);
  return { ...script, report: pruneReport(readFileSync(REPORT, "utf8")) };
}

function runScript(
  script: string,
  on: MountedFilesystem,
  parameters: Readonly<Record<string, string | number>>,
  path = process.env.PATH ?? "",
): Omit<Outcome, "report"> {
  const conf = join(on.scratch, "wipe.conf");
  writeFileSync(conf, scriptParameters({ MOUNTPOINT: on.mountpoint, ...parameters }));
  const { status, stdout, stderr } = spawnSync("/bin/sh", [script, conf], {
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
  return { exitCode: status, stdout, stderr };
}

/** What is in a folder of the filesystem, sorted. */
export function names(on: Pick<Filesystem, "top">, folder = "."): string[] {
  const path = join(on.top, folder);
  return existsSync(path) ? readdirSync(path).sort() : [];
}

export function has(on: MountedFilesystem, path: string): boolean {
  return existsSync(join(on.top, path));
}

/** What no run of the wipe leaves behind: a mount. */
export function leftovers({ mountpoint }: Pick<Filesystem, "mountpoint">): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return mounts.filter((line) => line.includes(` ${mountpoint} `));
}
