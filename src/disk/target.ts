/** Which devices may be written to: never one that is in use, and one that holds data only if it was named for it. */
import { stat } from "node:fs/promises";
import { UserError } from "../errors.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import { requiredBytes } from "../plan/layout-problems.ts";
import { type BlockDevice, describeDevice, inspectDevice } from "./device.ts";

/**
 * Looks at a device and says what is on it, unless it must not be formatted.
 * @param mayWipe whether the user allows it to be wiped (`--wipe`)
 * @throws UserError when it must not, saying why and what would allow it
 */
export async function formattableDevice(layout: DiskLayout, device: string, mayWipe: boolean): Promise<BlockDevice> {
  const found = await inspectDevice(device);
  const refusal = formatRefusal(layout, found, mayWipe);
  if (refusal !== null) throw refusal;
  return found;
}

/** Why a device must not be formatted; `null`: it may. */
export function formatRefusal(layout: DiskLayout, device: BlockDevice, mayWipe: boolean): UserError | null {
  const what = describeDevice(device);
  if (device.type === "part") {
    return new UserError(`${what} is a partition`, ["give the whole disk: the layout creates its own partitions"]);
  }
  if (device.readOnly) return new UserError(`${what} is read-only`);
  if (device.uses.length > 0) {
    return new UserError(`${what} is in use`, [
      ...device.uses,
      "unmount it first, even with --wipe; to mount a disk that is already formatted, use --mode mount",
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
      `to erase it, add: --wipe ${device.path}`,
    ]);
  }
  return null;
}

export async function isSameDevice(name: string, path: string): Promise<boolean> {
  const [named, other] = await Promise.all([name, path].map((it) => stat(it).catch(() => null)));
  return named?.isBlockDevice() === true && other?.isBlockDevice() === true && named.rdev === other.rdev;
}
