/** Parts of a disk layout that work differently than their author may expect. */
import { BOOTABLE } from "../layout/gpt.ts";
import type { DiskPlan } from "./disk-plan.ts";
import { espMountpoint, type LoaderPlan } from "./loader.ts";

export function diskWarnings(disk: DiskPlan, loader: LoaderPlan): readonly string[] {
  const partitions = disk.disks.flatMap(({ name, partitions }) => partitions.map((one) => ({ disk: name, ...one })));
  const unread = partitions.find(({ type }) => type === "bios-boot");
  const empty = partitions.filter((one) => one.type === "esp" && espMountpoint(one).length === 0);
  const bios = partitions.filter(({ type }) => type === "bios-boot");
  return [
    ...(unread !== undefined && loader.biosBoot === null
      ? [
          `disk ${unread.disk}: a BIOS cannot boot it, since GRUB reads kernels only from a btrfs subvolume @nix mounted at /nix; a UEFI boots it, and the partition ${unread.name} stays empty`,
        ]
      : []),
    ...empty.map(
      ({ disk, name }) =>
        `disk ${disk}: the ESP ${name} is mounted nowhere, so it gets no kernels and no boot loader; give it a mountpoint of its own, such as /boot-${disk}`,
    ),
    ...(loader.biosBoot === null ? [] : bios.slice(1)).map(
      ({ disk, name }) =>
        `disk ${disk}: GRUB is put on the disk ${bios[0]?.disk} only; the partition ${name} stays empty, so a BIOS cannot boot from that disk`,
    ),
    ...disk.disks
      .filter(
        ({ table, partitions }) =>
          table === "dos" && partitions.some(({ attributes }) => attributes.includes(BOOTABLE)),
      )
      .map(
        ({ name }) =>
          `disk ${name}: a BIOS cannot boot it: GRUB counts the tries of a generation in a partition of type EF02, which only a GPT has; write type: "gpt", and add the partition boot: { size: "1M", type: "EF02" }`,
      ),
    ...partitions
      .filter(({ type }) => type === "xbootldr")
      .map(
        ({ disk, name }) =>
          `disk ${disk}: kernels are put on the ESP, not on the XBOOTLDR partition ${name}: the ESP has to be large enough for all generations`,
      ),
  ];
}
