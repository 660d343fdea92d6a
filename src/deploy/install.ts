/** A host onto disks that may be lost: laid out, filled, and bootable, in one go that can be begun again. */
import { mkdir, realpath, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { wantedMounts } from "../disk/mounts.ts";
import { formatDisk, mountDisk, unmountDisk } from "../disk/run.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { fileLock } from "../machine/file-lock.ts";
import { never } from "../machine/interruption.ts";
import { run } from "../machine/process.ts";
import type { HostPlan } from "../plan/host.ts";
import { installHost } from "./generation.ts";

export interface InstallTarget {
  readonly layout: DiskLayout;
  /** A whole disk. Whatever it holds is lost. */
  readonly device: string;
}

export interface InstallRequest {
  readonly plan: HostPlan;
  readonly closure: Closure;
  readonly targets: readonly InstallTarget[];
  readonly onProgress: (step: string) => void;
}

/**
 * @throws UserError as the steps do. Then nothing stays mounted; what is on the disks is of no use, and a second run
 *   begins from the start. So does one after a run that was killed, which unmounts what that one has left.
 */
export async function installOnDevices({ plan, closure, targets, onProgress }: InstallRequest): Promise<void> {
  const disks = await Promise.all(
    byRoot(targets).map(async ({ layout, device }) => ({ layout, device: await realpath(device) })),
  );
  const folder = join("/run/nixfleet", `install-${disks.map(({ device }) => basename(device)).join("-")}`);
  await mkdir(folder, { recursive: true });
  await using _lock = await fileLock(`${folder}.lock`, () => onProgress("waiting for another installation to end"));
  await unmountAll(disks, folder);
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
    await unmountDisk(layout, device, folder);
    // What a killed run has left of formatting.
    const scratch = `/run/nixfleet/format-${basename(device)}`;
    await run("umount", ["--quiet", "--", scratch], { signal: never }).catch(() => {});
  }
}

/** The others are mounted below it. */
function byRoot(targets: readonly InstallTarget[]): readonly InstallTarget[] {
  const isRoot = ({ layout, device }: InstallTarget) =>
    wantedMounts(layout, device, "/").some(({ target }) => target === "/");
  return [...targets.filter(isRoot), ...targets.filter((target) => !isRoot(target))];
}
