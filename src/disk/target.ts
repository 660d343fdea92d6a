/** Which devices may be written to: never one that is in use, and one that holds data only if it was named for it. */
import { stat } from "node:fs/promises";
import type { DiskLayout } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import { UserError } from "../modules/errors.ts";
import { requiredBytes } from "../plan/disk-problems.ts";
import { type BlockDevice, describeDevice, inspectDevice } from "./device.ts";

/**
 * Looks at a device and says what is on it, unless it must not be formatted.
 * @param wipe the device that the user allows to be wiped (`--wipe`), by any of its names; `null`: none
 * @throws UserError when it must not, saying why and what would allow it
 */
export async function formattableDevice(layout: DiskLayout, device: string, wipe: string | null): Promise<BlockDevice> {
  const found = await inspectDevice(device);
  const refusal = formatRefusal(layout, found, wipe !== null && (await isSameDevice(wipe, found.path)), wipe);
  if (refusal !== null) throw refusal;
  return found;
}

/** Why a device must not be formatted; `null`: it may. */
export function formatRefusal(
  layout: DiskLayout,
  device: BlockDevice,
  mayWipe: boolean,
  wipe: string | null,
): UserError | null {
  const what = describeDevice(device);
  if (device.type === "part") {
    return new UserError(`${what} is a partition`, ["name the whole disk: the layout makes its own partitions"]);
  }
  if (device.readOnly) return new UserError(`${what} is read-only`);
  if (device.uses.length > 0) {
    return new UserError(`${what} is in use`, [
      ...device.uses,
      "unmount it first, also with --wipe; to mount a disk that is formatted already, use --mode mount",
    ]);
  }
  if (device.size < requiredBytes(layout)) {
    return new UserError(`${what} is too small`, [
      `the layout ${layout.name} needs ${formatSize(requiredBytes(layout))}`,
    ]);
  }
  if (device.contents.length > 0 && !mayWipe) {
    return new UserError(`${what} holds data`, [
      ...device.contents.map((it) => `it has ${it}`),
      ...(wipe === null ? [] : [`--wipe names another device: ${wipe}`]),
      `to lose all of it, add: --wipe ${device.path}`,
    ]);
  }
  return null;
}

async function isSameDevice(name: string, path: string): Promise<boolean> {
  const named = await stat(name).catch(() => null);
  return named?.isBlockDevice() === true && named.rdev === (await stat(path)).rdev;
}
