/** `nixfleet disk HOST` */
import { parseModes } from "../disk/commands.ts";
import { applyDiskRequest, type DiskRequest, dryRun } from "../disk/request.ts";
import { parseSize } from "../layout/size.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { DiskLayout, DiskPlan } from "../plan/disk.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print, say } from "./output.ts";

export interface DiskFlags {
  readonly device?: string;
  readonly image?: string;
  readonly size: string;
  readonly disk?: string;
  readonly mode: string;
  readonly under: string;
  readonly wipe?: string;
  readonly dryRun?: boolean;
}

export async function disk(file: string, name: string, flags: DiskFlags): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder).disk;
  const layout = layoutOf(plan, flags.disk);
  if (flags.device !== undefined && flags.image !== undefined)
    throw new UserError("--device and --image exclude each other");
  const request: DiskRequest = {
    layout,
    target:
      flags.image === undefined
        ? { kind: "device", device: flags.device ?? layout.device }
        : { kind: "image", file: flags.image, size: parseSize(flags.size) },
    modes: parseModes(flags.mode),
    under: flags.under,
    wipe: flags.wipe ?? null,
    onCommand: (command) => say(command.does),
    onNote: say,
  };
  if (flags.dryRun) print((await dryRun(request)).trimEnd());
  else {
    requireRoot("format and mount disks", "the kernel lets nobody else (--dry-run prints the commands)");
    await applyDiskRequest(request);
  }
}

/** The one disk of the host, or the one that was named. */
export function layoutOf({ disks }: DiskPlan, name: string | undefined): DiskLayout {
  const names = disks.map((layout) => layout.name).join(", ");
  const found = name === undefined ? disks : disks.filter((layout) => layout.name === name);
  const [layout, second] = found;
  if (layout === undefined)
    throw new UserError(`the host has no disk ${name ?? ""}`.trim(), [
      names === "" ? "declare one in disko.devices.disk" : `it has ${names}`,
    ]);
  if (second !== undefined) throw new UserError("the host has several disks", [`say which one with --disk: ${names}`]);
  return layout;
}
