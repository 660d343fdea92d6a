/**
 * GRUB where a BIOS finds it: `boot.img` in the first sector of the disk; in the partition of type bios-boot a small
 * filesystem with GRUB's environment (src/host/grub.sh), and behind it the core image. What `grub-bios-setup` does too, but without asking this machine about its own disks. The places of the
 * numbers are those of GRUB's `include/grub/i386/pc/boot.h`.
 */
import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import type { BiosBootPlan } from "../plan/loader.ts";

const SECTOR = 512;
/** Code of the first sector; then come the disk's signature and its table of partitions. */
const BOOT_CODE = 440;
const KERNEL_SECTOR = 0x5c;
const DRIVE_CHECK = 0x66;
const BLOCK_LIST = 0x1f4;
/** Where the core image's second sector is loaded to. */
const KERNEL_SEGMENT = 0x820;
/** Where the core image begins in the partition: behind the environment. In sectors. */
const CORE = 1024;

/** @throws UserError when the closure has no GRUB, or the partition is too small */
export async function embedGrub(
  closure: Pick<Closure, "folder">,
  device: string,
  { name, number }: BiosBootPlan,
): Promise<void> {
  const folder = join(closure.folder, "usr/lib");
  const core = join(folder, "nixfleet/grub.img");
  if (!existsSync(core)) throw new UserError("the closure has no GRUB", ["add the package grub-pc-bin to the host"]);
  const [bootImage, coreImage] = [await readFile(join(folder, "grub/i386-pc/boot.img")), await readFile(core)];
  const { start, size } = await partitionSectors(device, number);
  const images = grubImages(bootImage, coreImage, start + CORE);
  if (images.core.length > (size - CORE) * SECTOR) {
    throw new UserError(`the partition ${name} is too small for GRUB`, ["give it 1M"]);
  }
  const disk = await open(device, "r+");
  try {
    const present = Buffer.alloc(CORE * SECTOR);
    await disk.read(present, 0, present.length, start * SECTOR);
    // What it says of generations stays.
    if (!present.includes("# GRUB Environment Block\n")) {
      const environment = await readFile(join(folder, "nixfleet/grub-environment.img"));
      await disk.write(environment, 0, environment.length, start * SECTOR);
    }
    // The first sector last: until then the disk boots what it booted before.
    await disk.write(images.core, 0, images.core.length, (start + CORE) * SECTOR);
    await disk.sync();
    await disk.write(images.boot, 0, BOOT_CODE, 0);
    await disk.sync();
  } finally {
    await disk.close();
  }
}

/** The images as they lie on a disk, the core image from this sector on. */
export function grubImages(
  bootImage: Buffer,
  coreImage: Buffer,
  start: number,
): { readonly boot: Buffer; readonly core: Buffer } {
  const boot = Buffer.from(bootImage.subarray(0, BOOT_CODE));
  boot.writeBigUInt64LE(BigInt(start), KERNEL_SECTOR);
  // Two no-operations: some BIOSes say wrongly which drive they boot from.
  boot.writeUInt16LE(0x9090, DRIVE_CHECK);
  const sectors = Math.ceil(coreImage.length / SECTOR);
  const core = Buffer.alloc(sectors * SECTOR);
  coreImage.copy(core);
  core.writeBigUInt64LE(BigInt(start + 1), BLOCK_LIST);
  core.writeUInt16LE(sectors - 1, BLOCK_LIST + 8);
  core.writeUInt16LE(KERNEL_SEGMENT, BLOCK_LIST + 10);
  return { boot, core };
}

async function partitionSectors(device: string, number: number): Promise<{ start: number; size: number }> {
  const { partitiontable } = JSON.parse(await run("sfdisk", ["--json", "--", device])) as {
    readonly partitiontable: { readonly partitions: readonly { readonly start: number; readonly size: number }[] };
  };
  const found = partitiontable.partitions[number - 1];
  if (found === undefined) throw new UserError(`${device} has no partition ${number}`);
  return found;
}
