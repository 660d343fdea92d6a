/** A host as its audit commands find it: a running root that the wipe has made, a closure, and the commands themselves. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { mounted } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { readReport } from "../../src/payload/reports.ts";
import { entriesList } from "../../src/plan/activation.ts";
import { declaredList } from "../../src/plan/declared-list.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { planWith } from "../unit/host.ts";
import { pathThatExchanges } from "./exchanging.ts";
import { filesystem, type MountedFilesystem, type Outcome, subvolume, wipe } from "./wipe-filesystem.ts";

export const CLOSURE = "/nix/store/abc-nixfleet-test";
export const BOOT_ID = "01234567-89ab-cdef-0123-456789abcdef";

export interface AuditedHost extends AsyncDisposable {
  readonly fs: MountedFilesystem;
  /** The running root, mounted. */
  readonly root: string;
  /** Where the host's /persist is mounted, and its /nix. */
  readonly persist: string;
  readonly nix: string;
  command(name: string, ...args: readonly string[]): Ended;
  commandWith(env: Readonly<Record<string, string>>, name: string, ...args: readonly string[]): Ended;
  /** Another closure with a generation of its own, which is not booted. */
  generation(number: number, name: string, declares: Declares): Promise<void>;
  /** What the kernel command line names from now on. */
  runs(name: string): void;
  mountRoots(): Promise<void>;
  /** As a boot does: a wipe, and activation's mark. */
  boot(now: string): Promise<Outcome>;
  /** As a boot of this closure does, with what it says of an order to take back what persists. */
  bootOf(closure: string, path?: string): Promise<Back | null>;
}

function backReport(text: string): Back {
  const of = readReport(text);
  return { outcome: of("outcome")[0] ?? "", reason: of("reason")[0] ?? null, kept: of("kept")[0] ?? null };
}

export interface Back {
  /** back, void, refused or incomplete. */
  readonly outcome: string;
  readonly reason: string | null;
  readonly kept: string | null;
}

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Declares {
  readonly entries?: readonly PersistenceEntry[];
  readonly ephemeral?: readonly string[];
  readonly megabytes?: number;
  /** There is another persist root, /second. */
  readonly second?: boolean;
  /** Fills the closure's pristine root. */
  readonly pristine?: (folder: string) => void;
}

/** Its first boot has been. */
export async function auditedHost(declares: Declares = {}): Promise<AuditedHost> {
  const stack = new AsyncDisposableStack();
  try {
    const fs = stack.use(await filesystem({ megabytes: declares.megabytes ?? 256 }));
    await makeClosure(join(fs.top, "@nix/store/abc-nixfleet-test"), declares);
    await run("btrfs", ["subvolume", "delete", join(fs.top, "@root")]);
    if (declares.second) await subvolume(fs.top, "@second");
    const host = await hostOn(fs, stack, declares.second);
    await host.boot("2026-11-23 00:00:00");
    const all = stack.move();
    return { ...host, [Symbol.asyncDispose]: () => all.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Of a filesystem that is such a host's; what it mounts goes with `stack`. */
export async function hostOn(
  fs: MountedFilesystem,
  stack: AsyncDisposableStack,
  second = false,
): Promise<Omit<AuditedHost, typeof Symbol.asyncDispose>> {
  const folder = (name: string) => {
    mkdirSync(join(fs.scratch, name), { recursive: true });
    return join(fs.scratch, name);
  };
  const scripts = folder("etc");
  for (const room of ["initrd", "host", "audit"]) {
    cpSync(join(WIPE_SCRIPT, "../..", room), scripts, { recursive: true, filter: (path) => !path.endsWith(".ts") });
  }
  const [runtime, root, nix] = [folder("run"), folder("root"), folder("nix")];
  stack.use(await mounted(fs.device, nix, ["subvol=@nix"]));
  writeFileSync(join(fs.scratch, "cmdline"), `quiet nixfleet.closure=${CLOSURE}\n`);
  const parameters = {
    DEVICE: fs.device,
    LABEL: "",
    RETENTION_DAYS: 30,
    KEEP_NEWEST: 3,
    NIX: nix,
    NIX_SUBVOLUME: "@nix",
    STATE_ROOTS: second ? "/persist\n/second" : "/persist",
    PERSIST_ROOT: "/persist",
    ROOT: root,
    KERNEL_COMMAND_LINE: join(fs.scratch, "cmdline"),
    MOUNTPOINT: fs.mountpoint,
    NOW: "2026-11-24 00:00:00",
  };
  const conf = join(fs.scratch, "audit.conf");
  writeFileSync(conf, scriptParameters(parameters));
  const isMounted = () => spawnSync("mountpoint", ["-q", root]).status === 0;
  stack.defer(() => (isMounted() ? run("umount", ["--recursive", root]).then(() => {}) : undefined));
  const host = {
    fs,
    root,
    persist: join(root, "persist"),
    nix,
    command: (name: string, ...args: readonly string[]) => host.commandWith({}, name, ...args),
    commandWith: (more: Readonly<Record<string, string>>, name: string, ...args: readonly string[]): Ended => {
      const argv = [join(scripts, `${name}.sh`), "--conf", conf, ...args];
      const env = { ...process.env, RUNTIME: runtime, ...more };
      const { status, stdout, stderr } = spawnSync("/bin/sh", argv, { encoding: "utf8", env });
      return { status, stdout, stderr };
    },
    generation: async (number: number, name: string, declared: Declares) => {
      const store = join(fs.top, "@nix/store", name);
      if (!existsSync(store)) {
        mkdirSync(store);
        await subvolume(fs.top, `@nix/store/${name}/root`);
        await makeClosure(store, declared);
      }
      mkdirSync(join(nix, "nixfleet/generations"), { recursive: true });
      const lines = [`/nix/store/${name}`, "2026-11-23 00:00:00", "the first generation"];
      writeFileSync(join(nix, "nixfleet/generations", `${number}`), `${lines.join("\n")}\n`);
    },
    runs: (name: string) => writeFileSync(join(fs.scratch, "cmdline"), `nixfleet.closure=/nix/store/${name}\n`),
    boot: async (now: string) => {
      if (isMounted()) await run("umount", ["--recursive", root]);
      const outcome = wipe(fs, { PRUNE: "", NOW: now });
      await host.mountRoots();
      writeFileSync(join(root, "etc/nixfleet/boot"), `${BOOT_ID}\n${CLOSURE}\n`);
      return outcome;
    },
    mountRoots: async () => {
      await run("mount", ["-t", "btrfs", "-o", "subvol=@root", fs.device, root]);
      for (const name of second ? ["persist", "second"] : ["persist"])
        await run("mount", ["-t", "btrfs", "-o", `subvol=@${name}`, fs.device, join(root, name)]);
    },
    bootOf: async (closure: string, path = pathThatExchanges(fs.scratch)) => {
      if (isMounted()) await run("umount", ["--recursive", root]);
      const cmdline = join(fs.scratch, "boot-cmdline");
      const report = join(fs.scratch, "run/wipe.report");
      const back = join(fs.scratch, "run/back.report");
      writeFileSync(cmdline, `nixfleet.closure=${closure}\n`);
      for (const file of [report, back]) rmSync(file, { force: true });
      const outcome = wipe(
        fs,
        { PRUNE: "", REPORT: report, KERNEL_COMMAND_LINE: cmdline, NIX_SUBVOLUME: "@nix" },
        path,
      );
      assert.equal(outcome.report.outcome, "wiped", outcome.stderr);
      const said = existsSync(back) ? backReport(readFileSync(back, "utf8")) : null;
      await host.mountRoots();
      writeFileSync(join(root, "etc/nixfleet/boot"), `${outcome.report.retired}\n${closure}\n`);
      host.runs(closure.replace("/nix/store/", ""));
      assert.equal(host.command("state", "boot").status, 0);
      return said;
    },
  };
  return host;
}

async function makeClosure(folder: string, { entries = [], ephemeral = [], pristine }: Declares): Promise<void> {
  const root = join(folder, "root");
  await run("btrfs", ["property", "set", "-f", "-ts", root, "ro", "false"]);
  mkdirSync(join(root, "etc/nixfleet"), { recursive: true });
  writeFileSync(join(root, "etc/nixfleet/placed.list"), entriesList(entries));
  writeFileSync(join(root, "etc/nixfleet/fresh"), "");
  for (const name of ["persist", "second"]) mkdirSync(join(root, name));
  pristine?.(root);
  await run("btrfs", ["property", "set", "-ts", root, "ro", "true"]);
  const plan = planWith();
  const persistence = { ...plan.persistence, entries, ephemeral };
  writeFileSync(join(folder, "declared.list"), declaredList({ persistence }));
}
