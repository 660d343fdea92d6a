/** A host onto disks that may be lost: laid out, filled, and bootable, in one go that can be begun again. */
import { mkdir, realpath, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { type BlockDevice, describeDevice, inspectDevice } from "../disk/device.ts";
import { wantedMounts } from "../disk/mounts.ts";
import { formatDisk, mountDisk, unmountDisk } from "../disk/run.ts";
import { formatRefusal } from "../disk/target.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { fileLock } from "../machine/file-lock.ts";
import { never } from "../machine/interruption.ts";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { installHost } from "./generation.ts";

export interface InstallTarget {
  readonly layout: DiskLayout;
  /** A whole disk. Whatever it holds is lost. */
  readonly device: string;
}

/** Devices that no other installation writes to. */
export interface Claim extends AsyncDisposable {
  /** That with the root first. */
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
  readonly onProgress: (step: string) => void;
}

/**
 * Keeps other installations from the devices until the end of the scope, and unmounts what one that was killed has left.
 * @throws UserError when another runs, one device is to be two disks, or no confirmation would help: one is in use, or
 *   too small
 */
export async function claimDevices(targets: readonly InstallTarget[]): Promise<Claim> {
  const byPath = await Promise.all(
    byRoot(targets).map(async ({ layout, device }) => ({ layout, device: await realpath(device).catch(() => device) })),
  );
  const devices = byPath.map(({ device }) => device);
  const twice = byPath.find(({ device }, index) => devices.indexOf(device) !== index);
  if (twice !== undefined) {
    throw new UserError(`${twice.device} cannot be two disks`, [
      `one of them is ${twice.layout.name}: name a device of its own for it`,
    ]);
  }
  const folder = join("/run/nixfleet", `install-${devices.map((device) => basename(device)).join("-")}`);
  await mkdir(folder, { recursive: true });
  const lock = await fileLock(
    `${folder}.lock`,
    new UserError(`another installation onto ${devices.join(" and ")} runs`, ["wait for its end, or end it"]),
  );
  try {
    await unmountAll(byPath, folder);
    const disks = await Promise.all(byPath.map(inspect));
    return { disks, folder, [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose]() };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
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
      throw new UserError(`${before.path} is another disk now than when this began, so nothing was written`, [
        `now it is ${describeDevice(now.device)}; run it again, and look at what it names`,
      ]);
    }),
  );
}

async function inspect({ layout, device }: InstallTarget): Promise<ClaimedDisk> {
  const found = await inspectDevice(device);
  const refusal = formatRefusal(layout, found, true, found.path);
  if (refusal !== null) throw refusal;
  return { layout, device: found };
}

/**
 * @throws UserError as the steps do. Then nothing stays mounted; what is on the disks is of no use, and a second run
 *   begins from the start.
 */
export async function installOnDevices({ plan, closure, claim, onProgress }: InstallRequest): Promise<void> {
  const { folder } = claim;
  const disks = (await inspectAgain(claim)).map(({ layout, device }) => ({ layout, device: device.path }));
  try {
    for (const { layout, device } of disks) {
      await formatDisk(layout, device, { wipe: device, onCommand: ({ does }) => onProgress(`${device}: ${does}`) });
    }
    const skipped: string[] = [];
    for (const { layout, device } of disks) skipped.push(...(await mountDisk(layout, device, folder)).skipped);
    const boots = disks.find(({ layout }) =>
      layout.partitions.some(({ type }) => type === "esp" || type === "bios-boot"),
    );
    for (const disk of disks.slice(0, 1)) {
      await installHost(plan, closure, { ...(boots ?? disk), mountedAt: folder, skipped }, onProgress);
    }
    onProgress("writing everything out");
    // Unmounting does not report what could not be written.
    for (const { layout, device } of disks) {
      for (const { target } of wantedMounts(layout, device, "/")) {
        if (!skipped.includes(target)) await run("sync", ["--file-system", "--", join(folder, target)]);
      }
    }
  } finally {
    await unmountAll(disks, folder);
    await rmdir(folder);
  }
}

async function unmountAll(disks: readonly InstallTarget[], folder: string): Promise<void> {
  for (const { layout, device } of disks.toReversed()) {
    // What a killed run has left of formatting, perhaps on what unmounting closes.
    const scratch = `/run/nixfleet/format-${basename(device)}`;
    await run("umount", ["--quiet", "--", scratch], { signal: never }).catch(() => {});
    await unmountDisk(layout, device, folder);
  }
}

/** The others are mounted below it. */
function byRoot(targets: readonly InstallTarget[]): readonly InstallTarget[] {
  const isRoot = ({ layout, device }: InstallTarget) =>
    wantedMounts(layout, device, "/").some(({ target }) => target === "/");
  return [...targets.filter(isRoot), ...targets.filter((target) => !isRoot(target))];
}
