/** A closure in a host's store becomes its newest generation, with a boot entry: on a disk that is mounted here. */
import { existsSync, readdirSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { type EspPlace, type GenerationPlace, generationParameters, hostScript } from "../host/generations.ts";
import { partitionDevice } from "../layout/gpt.ts";
import { run } from "../machine/process.ts";
import { refusal } from "../machine/refusal.ts";
import { temporaryFolder } from "../machine/resources.ts";
import type { DiskLayout } from "../plan/disk.ts";
import type { HostPlan } from "../plan/host.ts";
import { embedGrub } from "./grub.ts";
import { installClosure } from "./store.ts";

/** Where a host's disk is on this machine. */
export interface MountedHost {
  /** The folder that stands for its `/`. */
  readonly mountedAt: string;
  /** The whole disk. */
  readonly device: string;
  readonly layout: DiskLayout;
  /** Mountpoints of filesystems that this kernel cannot mount. */
  readonly skipped: readonly string[];
  /** For the kernel, besides those of the closure. */
  readonly kernelParameters?: readonly string[];
}

/** A host's closure, and a boot entry for it, on its mounted disk. @throws UserError where one does not fit */
export async function installHost(
  plan: HostPlan,
  closure: Closure,
  host: MountedHost,
  onProgress: (step: string) => void = () => {},
): Promise<void> {
  onProgress("copying the closure");
  await installClosure(closure, join(host.mountedAt, "nix"));
  if (plan.wipe === null) await makeLastingRoot(join(closure.folder, "root"), host.mountedAt);
  if (plan.loader.biosBoot !== null) await embedGrub(closure, host.device, plan.loader.biosBoot);
  onProgress("writing the boot entry");
  await addGeneration(plan, closure, host);
}

/** Where no wipe makes the root, it is made here, once: `etc` comes last, under its name when it is whole. */
async function makeLastingRoot(pristine: string, root: string): Promise<void> {
  if (existsSync(join(root, "etc"))) return;
  const unfinished = join(root, ".new-etc");
  // What is mounted there already, such as an ESP, need not take an empty folder's owner.
  const isThere = (name: string) => existsSync(join(root, name)) && readdirSync(join(pristine, name)).length === 0;
  const rest = readdirSync(pristine).filter((name) => name !== "etc" && !isThere(name));
  await run("cp", ["--archive", "--", ...rest.map((name) => join(pristine, name)), root]);
  await run("rm", ["-rf", "--", unfinished]);
  await run("cp", ["--archive", "--no-target-directory", "--", join(pristine, "etc"), unfinished]);
  await run("sync", ["--file-system", "--", root]);
  await rename(unfinished, join(root, "etc"));
}

/**
 * Runs the script that the running host has for it too.
 * @throws UserError with what it said: an ESP that is full, above all
 */
export async function addGeneration(
  plan: HostPlan,
  closure: Pick<Closure, "storePath">,
  host: MountedHost,
): Promise<void> {
  await using folder = await temporaryFolder();
  const conf = join(folder.path, "generations.conf");
  await writeFile(conf, generationParameters(plan, placeOf(plan, host)));
  try {
    await run("sh", [hostScript("add-generation"), "--conf", conf, closure.storePath]);
  } catch (error) {
    throw refusal(error);
  }
}

function placeOf(
  plan: HostPlan,
  { mountedAt, device, layout, skipped, kernelParameters }: MountedHost,
): GenerationPlace {
  return {
    nix: join(mountedAt, "nix"),
    esp: espPlace(plan, { mountedAt, device, layout, skipped }),
    grub: plan.loader.biosBoot === null ? null : partitionDevice(device, plan.loader.biosBoot.number),
    kernelCommandLine: null,
    kernelParameters: kernelParameters ?? [],
  };
}

function espPlace({ loader }: HostPlan, { mountedAt, device, layout, skipped }: MountedHost): EspPlace | null {
  if (loader.esp === null) return null;
  if (!skipped.includes(loader.esp)) return { kind: "folder", path: join(mountedAt, loader.esp) };
  const index = layout.partitions.findIndex(({ type }) => type === "esp");
  return { kind: "unmounted", path: partitionDevice(device, index + 1) };
}
