/** A running host without a machine: a root in memory with the closure's /usr, a user, a persist root; and its switch. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { buildHost } from "../../src/deploy/build.ts";
import { switchFiles } from "../../src/deploy/carry-switch.ts";
import { planOf } from "../../src/deploy/load-fleet.ts";
import { switchTo } from "../../src/deploy/switch.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../../src/local/resources.ts";
import { PLACED_LIST, readEntriesList } from "../../src/plan/activation.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { type Declared, switchPlan } from "../../src/plan/switch.ts";
import { planWith } from "../unit/host.ts";
import { tested } from "../vm/fleet.ts";

export const ALICE = 1000;

export type Persisted = Pick<HostPlan, "persistence" | "files">;

/** Only what is given is persisted, without what every host persists. */
export function persisting(lists: object, home: object = {}, files: HostPlan["files"] = []): Persisted {
  const { persistence } = planWith({
    nixfleet: { impermanence: { enable: false } },
    environment: { persistence: { "/persist": lists } },
    home: { persistence: { "/persist": home } },
  });
  return { persistence, files };
}

export const NOTHING = persisting({});

/** The /usr of the host that the boot test boots, from its cache. */
export async function trixieUsr(): Promise<string> {
  const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");
  const closure = await buildHost(planOf(tested, fleetFolder), { fleetFolder });
  return join(closure.packages.folder, "usr");
}

export interface Switched {
  readonly exitCode: number | null;
  readonly said: readonly string[];
  readonly stderr: string;
}

export interface RunningRoot extends AsyncDisposable {
  readonly path: string;
  /** As it would be on the running host; throws what failed. */
  readonly sh: (script: string, user?: number) => string;
  /** Starts it, in a process group of its own. */
  readonly start: (script: string, user?: number) => ChildProcess;
  /** Kills it, and all that it started. */
  readonly stop: (started: ChildProcess) => void;
  readonly ended: (started: ChildProcess) => Promise<unknown>;
  /** Waits until it exists. */
  readonly until: (path: string) => Promise<void>;
  /** What `switching` does, from what is there, to the end of its unit. */
  readonly switch: (to: Persisted) => Switched;
  /**
   * Writes what `switch` would run, and returns its command, which ends as the unit does.
   * @param confirm for how many seconds it waits for a confirmation
   */
  readonly prepare: (to: Persisted, confirm?: number) => string;
  /** What `nixfleet status` reads of the last switch. */
  readonly outcome: () => string;
  /** Every file with its kind, mode, owner, size, link, contents and attributes, below these paths of the host. */
  readonly tree: (...paths: readonly string[]) => string;
  /** Where something is mounted, from where and with which options, below / as the host sees it. */
  readonly mounts: () => string;
}

export async function runningRoot(
  usr: string,
  persist: { readonly kind: "tmpfs" | "btrfs"; readonly megabytes: number } = { kind: "tmpfs", megabytes: 256 },
): Promise<RunningRoot> {
  const stack = new AsyncDisposableStack();
  const scratch = stack.use(await temporaryFolder());
  const path = join(scratch.path, "root");
  mkdirSync(path);
  await run("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", path]);
  stack.defer(() => run("umount", ["--recursive", path]).then(() => {}));
  for (const made of [
    "usr",
    "etc/nixfleet",
    "var/lib",
    "home/alice",
    "srv",
    "persist",
    "proc",
    "dev",
    "run/mount",
    "tmp",
    "root",
  ])
    mkdirSync(join(path, made), { recursive: true });
  mkdirSync(join(path, "run/nixfleet"), { mode: 0o755 });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(path, name));
  await run("mount", ["--bind", "-o", "ro", usr, join(path, "usr")]);
  await run("mount", ["-t", "proc", "proc", join(path, "proc")]);
  await run("mount", ["--bind", "/dev", join(path, "dev")]);
  if (persist.kind === "tmpfs") {
    await run("mount", ["-t", "tmpfs", "-o", `mode=0755,size=${persist.megabytes}M`, "tmpfs", join(path, "persist")]);
  } else {
    const image = join(scratch.path, "image");
    await run("truncate", ["--size", `${persist.megabytes}M`, image]);
    await run("mkfs.btrfs", ["--quiet", image]);
    const { device } = stack.use(await loopDevice(image));
    stack.use(await mounted(device, join(path, "persist")));
  }
  writeFileSync(
    join(path, "etc/passwd"),
    `root:x:0:0::/root:/bin/sh\nalice:x:${ALICE}:${ALICE}::/home/alice:/bin/sh\n`,
  );
  writeFileSync(join(path, "etc/group"), `root:x:0:\nalice:x:${ALICE}:\nadm:x:4:alice\n`);
  const started: ChildProcess[] = [];
  const stop: RunningRoot["stop"] = (child) => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
  };
  const ended: RunningRoot["ended"] = async (child) => {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    while (child.pid !== undefined && isThere(-child.pid)) await setTimeout(5);
  };
  stack.defer(async () => {
    for (const child of started) stop(child);
    for (const child of started) await ended(child);
  });
  const argv = (script: string, user = 0) => {
    const as = user === 0 ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--"];
    return [path, ...as, "/bin/sh", "-eu", "-c", script];
  };
  const env = { PATH: "/usr/sbin:/usr/bin", LC_ALL: "C.UTF-8" };
  const execute = (script: string, user?: number) =>
    spawnSync("chroot", argv(script, user), { encoding: "utf8", env, maxBuffer: 1 << 28 });
  const sh: RunningRoot["sh"] = (script, user) => {
    const { status, stdout, stderr } = execute(script, user);
    if (status !== 0) throw new Error(`${script}\nfailed: ${stdout}${stderr}`);
    return stdout;
  };
  sh("chmod 1777 /tmp; chown alice: /home/alice; chmod 700 /home/alice");
  writeFileSync(join(path, PLACED_LIST), "");
  const closures = new Map<string, Persisted>();
  const storePath = (declared: Persisted) => {
    const found = [...closures].find(([, other]) => other === declared)?.[0];
    if (found !== undefined) return found;
    const store = writeClosure(path, `/nix/store/${closures.size}`, declared.files);
    closures.set(store, declared);
    return store;
  };
  const booted = storePath(NOTHING);
  let runs = 0;
  const prepare: RunningRoot["prepare"] = (to, confirm = 0) => {
    const now = storePath(to);
    const record = join(path, "run/nixfleet/closure");
    const recorded = existsSync(record) ? readFileSync(record, "utf8").trim().split("\n") : [booted];
    const placedList = readFileSync(join(path, PLACED_LIST), "utf8");
    const plan = switchPlan(
      {
        booted: described(NOTHING),
        files: recorded.map((store) => closures.get(store)?.files ?? []),
        placed: readEntriesList(placedList),
      },
      described(to),
    );
    const folder = `/run/nixfleet/switch/run.${runs++}`;
    mkdirSync(join(path, folder), { recursive: true, mode: 0o700 });
    const what = switchTo(now, plan, to.persistence, { closures: recorded, placedList });
    const given = { ...switchFiles(what, confirm), closure: `${now}\n` };
    for (const [name, text] of Object.entries(given)) writeFileSync(join(path, folder, name), text);
    sh(`ln -sfn ${folder} /run/nixfleet/switch/current`);
    const scripts = `${now}/root/etc/nixfleet`;
    return `SETTLE=0 sh ${scripts}/switch.sh ${folder} && code=0 || code=$?
      EXIT_STATUS=$code sh ${scripts}/switch-end.sh ${folder}; exit $code`;
  };
  const all = stack.move();
  return {
    path,
    sh,
    start: (script, user) => {
      const child = spawn("chroot", argv(script, user), { env, detached: true, stdio: "ignore" });
      started.push(child);
      return child;
    },
    stop,
    ended,
    until: async (wanted) => {
      while (!existsSync(join(path, wanted))) await setTimeout(20);
    },
    prepare,
    outcome: () => sh("sed -n s/^outcome=//p /run/nixfleet/switch.report").trim(),
    switch: (to) => {
      const { status, stdout, stderr } = execute(prepare(to));
      return { exitCode: status, said: stdout.split("\n").slice(0, -1), stderr };
    },
    tree: (...paths) => {
      const quotedPaths = paths.map((each) => `'${each}'`).join(" ");
      const found = sh(`find ${quotedPaths} -printf '%p %y %m %U %G %n %l\\n' | sort`);
      const sums = sh(`find ${quotedPaths} -type f -exec sha256sum {} + | sort`);
      return found + sums;
    },
    mounts: () => sh("findmnt --raw --noheadings -o TARGET,SOURCE,FSROOT,VFS-OPTIONS | sort"),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A process, or a group of them where the number is negative. */
function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function described({ persistence, files }: Persisted): Declared<HostPlan["persistence"]["entries"][number]> {
  return { packages: "", rest: {}, files, entries: persistence.entries, parents: persistence.parents };
}

const SCRIPTS = join(PACKAGE_ROOT, "src/payload/host");

function writeClosure(root: string, store: string, files: HostPlan["files"]): string {
  const folder = join(root, store, "root/etc/nixfleet");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(SCRIPTS).filter((file) => /^(switch.*|confirm)\.sh$/.test(file)))
    writeFileSync(join(folder, name), readFileSync(join(SCRIPTS, name)));
  for (const file of files) {
    const path = join(root, store, "root", file.path);
    mkdirSync(join(path, ".."), { recursive: true });
    if (file.kind === "symlink") symlinkSync(file.target, path);
    else if (file.kind === "text") writeFileSync(path, file.text, { mode: Number.parseInt(file.mode, 8) });
  }
  return store;
}
