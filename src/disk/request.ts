/** What `nixfleet disk` does: any modes, on devices or on an image file. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { DiskCommand } from "../layout/content-type.ts";
import { type DiskLayout, type PlacedDisk, SCRIPT_DEVICE } from "../layout/gpt.ts";
import { isRoot } from "../local/root.ts";
import { type DiskMode, diskCommands } from "./commands.ts";
import { attachedImage, devicesOfImage, makeImages, partialName } from "./image.ts";
import {
  type DiskProgress,
  diskSurroundings,
  disksToFormat,
  formatDisks,
  mountDisks,
  plannedCommands,
  unmountDisks,
} from "./run.ts";
import { diskScript, onLoopDevice } from "./script.ts";

export interface DiskRequest extends DiskProgress {
  readonly target: DiskTarget;
  readonly modes: readonly DiskMode[];
  /** The folder to mount below: `/mnt`. */
  readonly under: string;
  /** The devices or the image that may lose what they hold. */
  readonly wipe?: readonly string[];
}

export type DiskTarget = DevicesTarget | ImageTarget;

export interface DevicesTarget {
  readonly kind: "devices";
  readonly disks: readonly PlacedDisk[];
}

export interface ImageTarget {
  readonly kind: "image";
  readonly layout: DiskLayout;
  readonly file: string;
  /** In bytes; only for `format`. */
  readonly size: number;
}

/**
 * Unmounts, formats and mounts, as far as the request asks for it. What it mounts stays mounted.
 * @throws UserError as formatDisks, mountDisks, unmountDisks and makeImages do
 */
export async function applyDiskRequest(request: DiskRequest): Promise<void> {
  const { target, modes, under } = request;
  if (modes.includes("unmount")) {
    for (const disks of await attachedDisks(target)) await unmountDisks(disks, under, request);
  }
  if (modes.includes("format")) {
    if (target.kind === "devices") await formatDisks(target.disks, request);
    else await makeImages([target], undefined, request);
  }
  if (modes.includes("mount")) await mountTarget(request);
}

/**
 * The same as a shell script that does exactly that, without doing it.
 * @throws UserError where the request itself would be refused: who is not root cannot find that out
 */
export async function dryRun(request: DiskRequest): Promise<string> {
  const { target, modes, under } = request;
  if (target.kind === "devices") return diskScript(await dryCommands(request, target.disks));
  const { layout } = target;
  const file = resolve(target.file);
  const partial = partialName(file);
  const attached = await attachedDisks(target);
  const unmount = await Promise.all(attached.map((disks) => plannedCommands(disks, ["unmount"], under)));
  const commands = async (mode: DiskMode) =>
    diskCommands([{ layout, device: SCRIPT_DEVICE }], [mode], {
      ...(await diskSurroundings([{ layout, device: "/dev/image" }], under)),
      ...(modes.includes("unmount") ? { mounts: [] } : {}),
    });
  return diskScript([
    ...(modes.includes("unmount") ? unmount.flat() : []),
    ...(modes.includes("format")
      ? [
          {
            does: "make a sparse file of that size",
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

/**
 * Without formatting what is formatted like this already, as far as that can be found out: by root, and before anything is
 * unmounted, after which it may be something else.
 */
async function dryCommands(
  { modes, under, wipe = [], onNote }: DiskRequest,
  disks: readonly PlacedDisk[],
): Promise<readonly DiskCommand[]> {
  const unknown = !isRoot() || modes.includes("unmount") || disks.some(({ device }) => !existsSync(device));
  if (unknown || !modes.includes("format")) return plannedCommands(disks, modes, under);
  const due = await disksToFormat(disks, wipe, onNote);
  return [
    ...(due.length === 0 ? [] : await plannedCommands(due, ["format"], under)),
    ...(modes.includes("mount") ? await plannedCommands(disks, ["mount"], under) : []),
  ];
}

/** An image may be attached to several devices, or to none. */
async function attachedDisks(target: DiskTarget): Promise<readonly (readonly PlacedDisk[])[]> {
  if (target.kind === "devices") return [target.disks];
  const devices = existsSync(target.file) ? await devicesOfImage(target.file) : [];
  return devices.map((device) => [{ layout: target.layout, device }]);
}

async function mountTarget(request: DiskRequest): Promise<void> {
  const { target, under } = request;
  const [attached] = await attachedDisks(target);
  if (attached !== undefined) await mountDisks(attached, under, request);
  if (attached !== undefined || target.kind === "devices") return;
  // Detaching waits for the unmounting: the kernel then lets go of the device by itself.
  await using loop = await attachedImage(target.file);
  await mountDisks([{ layout: target.layout, device: loop.device }], under, request);
}
