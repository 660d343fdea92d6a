/** The disk of a host's virtual machine, which stays between runs: beside the fleet, and its owner's. */
import { existsSync } from "node:fs";
import { chmod, lchown, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import type { DiskImage } from "../disk/image.ts";
import { UserError } from "../errors.ts";
import { fileLock } from "../local/file-lock.ts";
import { isRoot } from "../local/root.ts";
import type { HostPlan } from "../plan/host.ts";
import { buildHost, findHost, type HostBuildOptions } from "./build.ts";
import { imagesOf, provideImages } from "./image.ts";

export interface VmDisk {
  readonly closure: Closure;
  /** One for each disk that the host declares, in that order. */
  readonly images: readonly DiskImage[];
}

/** Where the disk is, the file that names the closure that was put there last, and the lock of who uses the disk. */
function filesOf(plan: HostPlan, fleetFolder: string) {
  const { hostName } = plan;
  const state = join(fleetFolder, ".nixfleet", "vm");
  return {
    state,
    images: imagesOf(plan, join(state, `${hostName}.img`)),
    holds: join(state, `${hostName}.closure`),
    lock: join(state, `${hostName}.lock`),
  };
}

/**
 * Until the end of the scope nobody else makes the disk, or runs from it: a disk that a machine writes to is destroyed by
 * whoever mounts it beside. Nobody but the fleet's owner gets into the folder, for a disk holds what its host persists.
 * @throws UserError when somebody does
 */
export async function vmDiskLock(plan: HostPlan, fleetFolder: string): Promise<AsyncDisposable> {
  const { state, images, lock } = filesOf(plan, fleetFolder);
  const { uid, gid } = await stat(fleetFolder);
  const held = await fileLock(
    lock,
    new UserError(`${plan.hostName} is already running`, [
      `another nixfleet vm uses ${images.map(({ file }) => file).join(" and ")}: stop that machine first`,
    ]),
  );
  if (isRoot()) for (const path of [dirname(state), state, lock]) await lchown(path, uid, gid);
  return held;
}

/** The disk, if it holds the host as it is declared and locked now: to find that out nobody has to be root. */
export async function findVmDisk(plan: HostPlan, fleetFolder: string): Promise<VmDisk | null> {
  const { images, holds } = filesOf(plan, fleetFolder);
  const closure = await findHost(plan, { fleetFolder });
  if (closure === null || !images.every(({ file }) => existsSync(file))) return null;
  const held = await readFile(holds, "utf8").catch(() => "");
  return held.trim() === closure.storePath ? { closure, images } : null;
}

/**
 * Builds the host, and makes its disk or adds the closure to it, for who holds its lock. Whoever owns the fleet's folder
 * owns the disk, and can use it without being root.
 */
export async function provideVmDisk(
  plan: HostPlan,
  fleetFolder: string,
  { fresh, ...building }: { readonly fresh: boolean } & Pick<HostBuildOptions, "definedAt" | "onProgress">,
): Promise<VmDisk> {
  const { images, holds } = filesOf(plan, fleetFolder);
  const files = images.map(({ file }) => file);
  const { uid, gid } = await stat(fleetFolder);
  if (fresh) for (const file of files) await rm(file, { force: true });
  const closure = await buildHost(plan, { fleetFolder, ...building });
  await provideImages({ plan, closure, images });
  await writeFile(holds, `${closure.storePath}\n`);
  for (const file of files) await chmod(file, 0o600); // it holds what the host persists
  for (const path of [...files, holds]) await lchown(path, uid, gid);
  return { closure, images };
}
