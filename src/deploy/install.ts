/** A host onto disks that may be lost: laid out, filled, and bootable, in one go that can be begun again. */
import { mkdir, realpath, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { type BlockDevice, describeDevice, inspectDevice } from "../disk/device.ts";
import { wantedMounts } from "../disk/mounts.ts";
import { formatDisks, mountDisks, scratchOf, unmountDisks } from "../disk/run.ts";
import { formatRefusal } from "../disk/target.ts";
import { UserError } from "../errors.ts";
import type { DiskLayout, PlacedDisk } from "../layout/gpt.ts";
import { fileLock } from "../local/file-lock.ts";
import { never } from "../local/interruption.ts";
import { run } from "../local/process.ts";
import { privateFolder } from "../local/resources.ts";
import type { HostPlan } from "../plan/host.ts";
import { type FirstFile, placeFirstFiles } from "./first-files.ts";
import { installHost } from "./generation.ts";

/** Devices that no other installation writes to. */
export interface Claim extends AsyncDisposable {
  readonly disks: readonly ClaimedDisk[];
  /** Where they are mounted meanwhile. */
  readonly folder: string;
}

export interface ClaimedDisk {
  readonly layout: DiskLayout;
  readonly device: BlockDevice;
}

export interface InstallRequest {
  readonly plan: HostPlan;
  readonly closure: Closure;
  readonly claim: Claim;
  readonly firstFiles?: readonly FirstFile[];
  readonly onProgress: (step: string) => void;
}

/**
 * Keeps other installations from the devices until the end of the scope, and unmounts what one that was killed has left.
 * @throws UserError when another runs, one device is to be two disks, or no confirmation would help: one is in use, or
 *   too small
 */
export async function claimDevices(targets: readonly PlacedDisk[]): Promise<Claim> {
  const byPath = await Promise.all(
    targets.map(async ({ layout, device }) => ({ layout, device: await realpath(device).catch(() => device) })),
  );
  const devices = byPath.map(({ device }) => device);
  const twice = byPath.find(({ device }, index) => devices.indexOf(device) !== index);
  if (twice !== undefined) {
    throw new UserError(`${twice.device} is given for two disks`, [
      `one of them is ${twice.layout.name}: give it a device of its own`,
    ]);
  }
  // Nobody else gets into what is mounted there.
  const folder = join("/run/nixfleet/installing", devices.map((device) => basename(device)).join("-"));
  await privateFolder(dirname(folder));
  await mkdir(folder, { recursive: true });
  const lock = await fileLock(
    `${folder}.lock`,
    new UserError(`another installation onto ${devices.join(" and ")} is running`, [
      "wait until it finishes, or stop it",
    ]),
  );
  await using claiming = new AsyncDisposableStack();
  claiming.use(lock);
  claiming.defer(() => rmdir(folder));
  await unmountAll(byPath, folder);
  const disks = await Promise.all(byPath.map(inspect));
  const claimed = claiming.move();
  return { disks, folder, [Symbol.asyncDispose]: () => claimed[Symbol.asyncDispose]() };
}

/**
 * What the disks hold by now: a build takes minutes, and so may an answer.
 * @throws UserError when another disk is where one of them was
 */
export function inspectAgain({ disks }: Claim): Promise<readonly ClaimedDisk[]> {
  return Promise.all(
    disks.map(async ({ layout, device: before }) => {
      const now = await inspect({ layout, device: before.path });
      if (now.device.sequence === before.sequence && now.device.size === before.size) return now;
      throw new UserError(`${before.path} is now a different disk than at the start, so nothing was written`, [
        `now it is ${describeDevice(now.device)}; run this again and check the disk that it names`,
      ]);
    }),
  );
}

async function inspect({ layout, device }: PlacedDisk): Promise<ClaimedDisk> {
  const found = await inspectDevice(device);
  const refusal = formatRefusal(layout, found, true);
  if (refusal !== null) throw refusal;
  return { layout, device: found };
}

/**
 * @throws UserError as the steps do. Then nothing stays mounted; what is on the disks is of no use, and a second run
 *   begins from the start.
 */
export async function installOnDevices(request: InstallRequest): Promise<void> {
  const { plan, closure, claim, onProgress } = request;
  const { folder } = claim;
  const disks = (await inspectAgain(claim)).map(({ layout, device }) => ({ layout, device: device.path }));
  try {
    await formatDisks(disks, {
      wipe: disks.map(({ device }) => device),
      onCommand: ({ does }) => onProgress(does),
    });
    const { skipped } = await mountDisks(disks, folder);
    await installHost(plan, closure, { mountedAt: folder, disks, skipped }, onProgress);
    await placeFirstFiles(request.firstFiles ?? [], plan, closure, folder);
    onProgress("syncing to disk");
    // Unmounting does not report what could not be written.
    for (const { target } of wantedMounts(disks, "/")) {
      if (!skipped.includes(target)) await run("sync", ["--file-system", "--", join(folder, target)]);
    }
  } finally {
    await unmountAll(disks, folder);
  }
}

async function unmountAll(disks: readonly PlacedDisk[], folder: string): Promise<void> {
  // What a killed run has left of formatting, perhaps on what unmounting closes.
  await run("umount", ["--quiet", "--", scratchOf(disks)], { signal: never }).catch(() => {});
  await unmountDisks(disks, folder);
}
