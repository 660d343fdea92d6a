/** A running host without a machine: a root in memory with the closure's /usr, a user, a persist root; and its switch. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { run } from "../../src/machine/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../../src/machine/resources.ts";
import { entriesConfig, parentsConfig } from "../../src/plan/activation.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { switchList, switchPlan } from "../../src/plan/switch.ts";
import { planWith } from "../unit/host.ts";
import { tested } from "../vm/fleet.ts";

export const ALICE = 1000;
const FOLDER = "/run/nixfleet/switch";

export type Persisted = Pick<HostPlan, "persistence" | "files" | "users">;

/** Only what is given is persisted, without what every host persists. */
export function persisting(lists: object, home: object = {}, files: HostPlan["files"] = []): Persisted {
  const { persistence, users } = planWith({
    nixfleet: { impermanence: { enable: false } },
    environment: { persistence: { "/persist": lists } },
    home: { persistence: { "/persist": home } },
  });
  return { persistence, users, files };
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
  /** What `switching` does, from one declaration to another. */
  readonly switch: (from: Persisted, to: Persisted) => Switched;
  /** Writes what `switch` would run, and returns its command. */
  readonly prepare: (from: Persisted, to: Persisted) => string;
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
    "etc",
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
  const ended: RunningRoot["ended"] = async (child) =>
    child.exitCode ?? child.signalCode ?? (await once(child, "exit"));
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
  let closures = 0;
  const prepare: RunningRoot["prepare"] = (from, to) => {
    const [old, now] = [from, to].map((declared) => writeClosure(path, `/nix/store/${closures++}`, declared.files));
    const running = (plan: Persisted) => ({
      packages: "",
      files: plan.files,
      entries: plan.persistence.entries,
      rest: {},
    });
    const plan = switchPlan(running(from), running(to));
    mkdirSync(join(path, FOLDER), { recursive: true, mode: 0o700 });
    const write = (name: string, text: string) => writeFileSync(join(path, FOLDER, name), text);
    write("list", switchList(plan, to.users.users));
    write("parents.conf", parentsConfig(to.persistence));
    write("entries.conf", entriesConfig(plan.placed.map(({ entry }) => entry)));
    return `exec sh ${now}/root/etc/nixfleet/switch.sh ${now} ${old} ${FOLDER}`;
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
    switch: (from, to) => {
      const { status, stdout, stderr } = execute(prepare(from, to));
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

function writeClosure(root: string, store: string, files: HostPlan["files"]): string {
  const folder = join(root, store, "root/etc/nixfleet");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "switch.sh"), readFileSync(join(PACKAGE_ROOT, "src/host/switch.sh")));
  for (const file of files) {
    const path = join(root, store, "root", file.path);
    mkdirSync(join(path, ".."), { recursive: true });
    if (file.kind === "symlink") symlinkSync(file.target, path);
    else writeFileSync(path, file.text, { mode: Number.parseInt(file.mode, 8) });
  }
  return store;
}
