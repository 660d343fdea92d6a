/** `nixfleet disk HOST` */

import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { parseModes } from "../disk/commands.ts";
import { applyDiskRequest, type DiskRequest, type DiskTarget, dryRun } from "../disk/request.ts";
import { UserError } from "../errors.ts";
import type { DiskLayout, PlacedDisk } from "../layout/gpt.ts";
import { parseSize } from "../layout/size.ts";
import { requireRoot } from "../local/root.ts";
import type { DiskPlan } from "../plan/disk-plan.ts";
import { print, say } from "./output.ts";

export interface DiskFlags {
  /** A device, or NAME=DEVICE for that of several disks. */
  readonly device?: readonly string[];
  readonly image?: string;
  readonly size: string;
  readonly disk?: string;
  readonly mode: string;
  readonly under: string;
  readonly wipe?: readonly string[];
  readonly dryRun?: boolean;
}

export async function disk(file: string, name: string, flags: DiskFlags): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const layouts = layoutsOf(planOf(host, folder).disk, flags.disk);
  const request: DiskRequest = {
    target: diskTarget(layouts, flags),
    modes: parseModes(flags.mode),
    under: flags.under,
    wipe: flags.wipe ?? [],
    onCommand: (command) => say(command.does),
    onNote: say,
  };
  if (flags.dryRun) print((await dryRun(request)).trimEnd());
  else {
    requireRoot("format and mount disks", "the kernel requires it (--dry-run prints the commands)");
    await applyDiskRequest(request);
  }
}

/** The disks of the host, or the one that was named. */
export function layoutsOf({ disks }: DiskPlan, name: string | undefined): readonly DiskLayout[] {
  const found = disks.filter((layout) => name === undefined || layout.name === name);
  if (found.length > 0) return found;
  throw new UserError(`the host has no disk ${name ?? ""}`.trim(), [
    disks.length === 0 ? "declare one in disko.devices.disk" : `it has ${namesOf(disks)}`,
  ]);
}

function diskTarget(layouts: readonly DiskLayout[], { device = [], image, size }: DiskFlags): DiskTarget {
  if (image === undefined) return { kind: "devices", disks: placedDisks(layouts, device) };
  if (device.length > 0) throw new UserError("use either --device or --image, not both");
  const [layout, second] = layouts;
  if (layout === undefined || second !== undefined) {
    throw new UserError("an image is of one disk", [`say which with --disk: ${namesOf(layouts)}`]);
  }
  return { kind: "image", layout, file: image, size: parseSize(size) };
}

/** Each on the device that was given for it, or else on the one that it declares. */
export function placedDisks(layouts: readonly DiskLayout[], given: readonly string[]): readonly PlacedDisk[] {
  const devices = new Map<string, string>();
  for (const text of given) {
    const named = layouts.find(({ name }) => text.startsWith(`${name}=`));
    const only = layouts.length === 1 ? layouts[0] : undefined;
    const name = (named ?? only)?.name;
    if (name === undefined || devices.has(name)) {
      throw new UserError(`--device ${text} does not say which disk that is`, [
        `the host has ${namesOf(layouts)}: write ${layouts.map((it) => `--device ${it.name}=/dev/…`).join(" ")}`,
      ]);
    }
    devices.set(name, named === undefined ? text : text.slice(name.length + 1));
  }
  return layouts.map((layout) => ({ layout, device: devices.get(layout.name) ?? layout.device }));
}

function namesOf(layouts: readonly DiskLayout[]): string {
  return layouts.map(({ name }) => name).join(", ");
}
