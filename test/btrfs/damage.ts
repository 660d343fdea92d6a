/** Damage to a filesystem that can still be mounted, as a bad disk does it. */
import { closeSync, openSync, writeSync } from "node:fs";
import { run } from "../../src/local/process.ts";
import { released } from "./released.ts";
import type { Filesystem } from "./wipe-filesystem.ts";

/** Makes the checksum of all that a subvolume holds wrong, in each copy: nothing of it can be read any more. */
export async function damageSubvolume({ device, top }: Filesystem, path: string): Promise<void> {
  const id = (await run("btrfs", ["inspect-internal", "rootid", `${top}/${path}`])).trim();
  await run("umount", [top]);
  await released(device);
  const roots = await run("btrfs", ["inspect-internal", "dump-tree", "--tree", "root", device]);
  const [, address = ""] = new RegExp(`key \\(${id} ROOT_ITEM .*\\n.*\\n?.* bytenr (\\d+)`).exec(roots) ?? [];
  const copies = await run("btrfs-map-logical", ["--logical", address, device]);
  const file = openSync(device, "r+");
  for (const [, physical] of copies.matchAll(/physical (\d+)/g)) writeSync(file, "damaged", Number(physical) + 200);
  closeSync(file);
  await run("blockdev", ["--flushbufs", device]);
  await run("mount", ["-o", "subvolid=5", device, top]);
}
