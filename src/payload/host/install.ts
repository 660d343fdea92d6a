/** What a running host needs to put itself onto another disk: see install.sh. */
import { type DiskMode, type DiskSurroundings, diskCommands } from "../../disk/commands.ts";
import { diskScript } from "../../disk/script.ts";
import { type DiskLayout, type PlacedDisk, scriptDevice } from "../../layout/gpt.ts";
import { MIB } from "../../layout/size.ts";
import { encryptedContents, volumesOf } from "../../plan/disk-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { requiredBytes } from "../../plan/layout-problems.ts";
import { espMountpoint } from "../../plan/loader.ts";
import { scriptParameters } from "../initrd/pieces.ts";

/**
 * The file of parameters; `null` for a host with a volume group or an array, whose names the running one has: only the builder
 * can install it.
 * @param where what differs from a running host of Debian's
 */
export function installParameters(
  { disk, wipe }: HostPlan,
  where: Partial<Pick<DiskSurroundings, "under" | "udev" | "unsupported">> = {},
): string | null {
  if (disk.disks.length === 0 || volumesOf(disk).length > 0) return null;
  const disks = disk.disks.map((one, index) => besideItself(one, index + 1));
  const under = where.under ?? "/run/nixfleet/install";
  const surroundings: DiskSurroundings = {
    ...{ udev: true, unsupported: [], mounts: [], mappings: [], tpm: true },
    ...where,
    ...{ under, scratch: `${under}.format` },
  };
  const script = (mode: DiskMode) => diskScript(diskCommands(disks, [mode], surroundings));
  const encrypted = encryptedContents({ disks: disks.map(({ layout }) => layout), nodev: [] }).map(({ luks }) => luks);
  const esps = disks.flatMap(({ layout }, index) =>
    layout.partitions.flatMap((partition, number) =>
      espMountpoint(partition).map((mountpoint) => `${index + 1} ${number + 1} ${mountpoint}`),
    ),
  );
  const grub = disks.findIndex(({ layout }) => layout.partitions.some(({ type }) => type === "bios-boot"));
  return scriptParameters({
    FORMAT: script("format"),
    MOUNT: script("mount"),
    TARGETS: disks.map(({ layout }) => `${Math.ceil(requiredBytes(layout) / MIB)} ${layout.name}`).join("\n"),
    KEYS: encrypted
      .flatMap(({ passwordFile, settings, additionalKeyFiles }) => [
        settings.keyFile ?? passwordFile ?? "", // empty: it is asked for
        ...additionalKeyFiles,
      ])
      .join("\n"),
    OPENS: encrypted.map(({ name }) => name).join("\n"),
    KEEPS_ROOT: wipe === null ? "yes" : "",
    ESP_PARTITIONS: esps.join("\n"),
    GRUB_TARGET: grub === -1 ? "" : grub + 1,
  });
}

/** What is encrypted on it is opened by another name meanwhile: the running host has its own open by that. */
function besideItself(layout: DiskLayout, number: number): PlacedDisk {
  const partitions = layout.partitions.map((partition, index) =>
    partition.content?.kind === "luks"
      ? { ...partition, content: { ...partition.content, name: `nixfleet-install-${number}-${index + 1}` } }
      : partition,
  );
  return { layout: { ...layout, partitions }, device: scriptDevice(number) };
}
