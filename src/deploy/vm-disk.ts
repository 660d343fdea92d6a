/** The disk of a host's virtual machine, which stays between runs: beside the fleet, and its owner's. */
import { existsSync } from "node:fs";
import { lchown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { GIB } from "../layout/size.ts";
import { fileLock } from "../machine/file-lock.ts";
import { isRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { buildHost, findHost } from "./build.ts";
import { provideImage } from "./image.ts";

export interface VmDisk {
  readonly closure: Closure;
  readonly image: string;
}

/** Where the disk is, the file that names the closure that was put there last, and the lock of who uses the disk. */
function filesOf({ hostName }: HostPlan, fleetFolder: string) {
  const state = join(fleetFolder, ".nixfleet", "vm");
  return {
    state,
    image: join(state, `${hostName}.img`),
    holds: join(state, `${hostName}.closure`),
    lock: join(state, `${hostName}.lock`),
  };
}

/**
 * Until the end of the scope nobody else makes the disk, or runs from it: a disk that a machine writes to is destroyed by
 * whoever mounts it beside.
 * @throws UserError when somebody does
 */
export async function vmDiskLock(plan: HostPlan, fleetFolder: string): Promise<AsyncDisposable> {
  const { state, image, lock } = filesOf(plan, fleetFolder);
  await mkdir(state, { recursive: true });
  const { uid, gid } = await stat(fleetFolder);
  const held = await fileLock(
    lock,
    new UserError(`${plan.hostName} runs already`, [`another nixfleet vm uses ${image}: end that machine first`]),
  );
  if (isRoot()) for (const path of [dirname(state), state, lock]) await lchown(path, uid, gid);
  return held;
}

/** The disk, if it holds the host as it is declared and locked now: to find that out nobody has to be root. */
export async function findVmDisk(plan: HostPlan, fleetFolder: string): Promise<VmDisk | null> {
  const { image, holds } = filesOf(plan, fleetFolder);
  const closure = await findHost(plan, { fleetFolder });
  if (closure === null || !existsSync(image)) return null;
  const held = await readFile(holds, "utf8").catch(() => "");
  return held.trim() === closure.storePath ? { closure, image } : null;
}

/**
 * Builds the host, and makes its disk or adds the closure to it, for who holds its lock. Whoever owns the fleet's folder
 * owns the disk, and can use it without being root.
 */
export async function provideVmDisk(
  plan: HostPlan,
  fleetFolder: string,
  { fresh, onProgress }: { readonly fresh: boolean; readonly onProgress: (step: string) => void },
): Promise<VmDisk> {
  const { image, holds } = filesOf(plan, fleetFolder);
  const { uid, gid } = await stat(fleetFolder);
  if (fresh) await rm(image, { force: true });
  const closure = await buildHost(plan, { fleetFolder, onProgress });
  await provideImage({ plan, closure, file: image, size: 8 * GIB });
  await writeFile(holds, `${closure.storePath}\n`);
  for (const path of [image, holds]) await lchown(path, uid, gid);
  return { closure, image };
}
