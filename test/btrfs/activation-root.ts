/** A root as the initrd has it, and the activation's own script run on it. */

import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import {
  bindFstab,
  entriesList,
  ownersList,
  parentsConfig,
  SYSROOT,
  tmpfilesConfig,
} from "../../src/plan/activation.ts";
import type { PersistenceEntry, PersistenceParent } from "../../src/plan/persistence-plan.ts";
import { entryAt } from "../entry.ts";
import { activationReport } from "../reports.ts";

export const CLOSURE = "/nix/store/abc-nixfleet-test";
export const ALICE = 1234;

export interface Root extends AsyncDisposable {
  /** What a boot has at /sysroot. */
  readonly path: string;
  readonly scratch: string;
}

/** A root with a closure and a persist root that hold what activation reads; nothing of it is on a disk. */
export async function freshRoot(entries: readonly PersistenceEntry[], seenAs?: string): Promise<Root> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const path = join(folder.path, "sysroot");
  mkdirSync(path);
  await run("mount", ["-t", "tmpfs", "tmpfs", path]);
  stack.defer(() => run("umount", ["--recursive", path]).then(() => {}));
  for (const made of ["etc", "home", "usr", "persist/etc", "persist/home/alice"]) {
    mkdirSync(join(path, made), { recursive: true });
  }
  chownSync(join(path, "persist/home/alice"), ALICE, ALICE);
  writeAccounts(path);
  writeClosure(join(path, CLOSURE), entries, seenAs ?? path);
  const all = stack.move();
  return { path, scratch: folder.path, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export function writeAccounts(root: string): void {
  writeFileSync(
    join(root, "etc/passwd"),
    `root:x:0:0::/root:/bin/sh\nalice:x:${ALICE}:${ALICE}::/home/alice:/bin/sh\n`,
  );
  writeFileSync(join(root, "etc/group"), `root:x:0:\nalice:x:${ALICE}:\n`);
}

/** @param sysroot where the root is mounted, which the renderers say is at `SYSROOT` */
export function writeClosure(
  folder: string,
  entries: readonly PersistenceEntry[],
  sysroot: string,
  parents: readonly PersistenceParent[] = [parent("/var", "root")],
): void {
  const plan = { entries, parents };
  mkdirSync(join(folder, "usr/bin"), { recursive: true });
  writeFileSync(join(folder, "tmpfiles.conf"), tmpfilesConfig(plan));
  writeFileSync(join(folder, "fstab"), bindFstab(plan).replaceAll(`${SYSROOT}/`, `${sysroot}/`));
  writeFileSync(join(folder, "entries.list"), entriesList(plan.entries));
  writeFileSync(join(folder, "parents.conf"), parentsConfig(plan, entries));
  writeFileSync(join(folder, "owners.list"), ownersList(plan));
}

export function parent(path: string, user: string): PersistenceParent {
  return {
    path,
    user,
    group: user,
    mode: "0755",
    assumed: [],
    on: ["", "/persist"],
    ensured: false,
    closed: false,
    fromSkeleton: false,
  };
}

export function entry(
  kind: "directory" | "file",
  path: string,
  how: PersistenceEntry["how"],
  rest: Partial<PersistenceEntry> = {},
): PersistenceEntry {
  return entryAt(path, { kind, how, mode: kind === "file" ? "0644" : "0755", ...rest });
}

export function activate(
  root: Pick<Root, "path" | "scratch">,
  parameters: { MACHINE_ID?: string; KEYS?: string; ROOTS?: string; ROOT_DEVICE?: string } = {},
) {
  const conf = join(root.scratch, "activate.conf");
  const report = join(root.scratch, "run/activation.report");
  const all = { MACHINE_ID: "", KEYS: "", ROOT_DEVICE: "", STATE: "/persist/.nixfleet", REPORT: report, ...parameters };
  writeFileSync(conf, scriptParameters(all));
  const script = join(WIPE_SCRIPT, "../activate.sh");
  // In a process namespace of its own the last number is that of the processes there were.
  const command = `/bin/sh "$@"; status=$?; /bin/sh -c 'echo $$'; exit "$status"`;
  const argv = ["--pid", "--fork", "/bin/sh", "-c", command, "sh", script, root.path, CLOSURE, conf];
  const { status, stdout, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  return {
    exitCode: status,
    stderr,
    processes: Number(stdout),
    report: activationReport(readFileSync(report, "utf8")),
  };
}
