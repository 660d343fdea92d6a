/** What `nixfleet disk` does: any modes, on a device or on an image file. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { DiskLayout } from "../layout/gpt.ts";
import { isRoot } from "../machine/root.ts";
import { type DiskMode, diskCommands } from "./commands.ts";
import { isFormatted } from "./formatted.ts";
import { attachedImage, devicesOfImage, makeImage, partialName } from "./image.ts";
import { type DiskProgress, diskSurroundings, formatDisk, mountDisk, plannedCommands, unmountDisk } from "./run.ts";
import { diskScript, IMAGE_DEVICE, onLoopDevice } from "./script.ts";
import { formattableDevice } from "./target.ts";

export interface DiskRequest extends DiskProgress {
  readonly layout: DiskLayout;
  readonly target: DiskTarget;
  readonly modes: readonly DiskMode[];
  /** The folder to mount below: `/mnt`. */
  readonly under: string;
  /** The device or image that may lose what it holds. */
  readonly wipe?: string | null;
}

export type DiskTarget = DeviceTarget | ImageTarget;

export interface DeviceTarget {
  readonly kind: "device";
  readonly device: string;
}

export interface ImageTarget {
  readonly kind: "image";
  readonly file: string;
  /** In bytes; only for `format`. */
  readonly size: number;
}

/**
 * Unmounts, formats and mounts, as far as the request asks for it. What it mounts stays mounted.
 * @throws UserError as formatDisk, mountDisk, unmountDisk and makeImage do
 */
export async function applyDiskRequest(request: DiskRequest): Promise<void> {
  const { layout, target, modes, under } = request;
  if (modes.includes("unmount")) {
    const devices = target.kind === "device" ? [target.device] : await devicesOfImage(target.file);
    for (const device of devices) await unmountDisk(layout, device, under, request);
  }
  if (modes.includes("format")) {
    if (target.kind === "device") await formatDisk(layout, target.device, request);
    else await makeImage(layout, target.file, target.size, undefined, request);
  }
  if (modes.includes("mount")) await mountTarget(request);
}

/**
 * The same as a shell script that does exactly that, without doing it.
 * @throws UserError where the request itself would be refused: who is not root cannot find that out
 */
export async function dryRun(request: DiskRequest): Promise<string> {
  const { layout, target, modes, under } = request;
  if (target.kind === "device") {
    return diskScript(await plannedCommands(layout, target.device, await dueModes(request, target.device), under));
  }
  const file = resolve(target.file);
  const partial = partialName(file);
  const attached = await devicesOfImage(file);
  const unmount = await Promise.all(attached.map((device) => plannedCommands(layout, device, ["unmount"], under)));
  const commands = async (mode: DiskMode) =>
    diskCommands(layout, IMAGE_DEVICE, [mode], {
      ...(await diskSurroundings("/dev/image", under)),
      ...(modes.includes("unmount") ? { mounts: [] } : {}),
    });
  return diskScript([
    ...(modes.includes("unmount") ? unmount.flat() : []),
    ...(modes.includes("format")
      ? [
          {
            does: "make a file of that size that takes no room yet",
            program: "truncate",
            args: [`--size=${target.size}`, "--", partial],
          },
          ...onLoopDevice(partial, await commands("format")),
          { does: "the image is whole", program: "mv", args: ["--", partial, file] },
        ]
      : []),
    ...(modes.includes("mount") ? onLoopDevice(file, await commands("mount")) : []),
  ]);
}

/** Without `format` where the device is formatted like this already. After an unmounting it may be something else than now. */
async function dueModes({ layout, modes, wipe, onNote }: DiskRequest, device: string): Promise<readonly DiskMode[]> {
  if (!isRoot() || !modes.includes("format") || modes.includes("unmount") || !existsSync(device)) return modes;
  if ((wipe ?? null) !== null || !(await isFormatted(layout, device))) {
    await formattableDevice(layout, device, wipe ?? null);
    return modes;
  }
  onNote?.(`${device} is formatted like this already`);
  return modes.filter((mode) => mode !== "format");
}

async function mountTarget(request: DiskRequest): Promise<void> {
  const { layout, target, under } = request;
  if (target.kind === "device") {
    await mountDisk(layout, target.device, under, request);
    return;
  }
  const [attached] = existsSync(target.file) ? await devicesOfImage(target.file) : [];
  if (attached !== undefined) {
    await mountDisk(layout, attached, under, request);
    return;
  }
  // Detaching waits for the unmounting: the kernel then lets go of the device by itself.
  await using loop = await attachedImage(target.file);
  await mountDisk(layout, loop.device, under, request);
}
