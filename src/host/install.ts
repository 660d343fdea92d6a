/** What a running host needs to put itself onto another disk: see install.sh. */
import { type DiskMode, type DiskSurroundings, diskCommands } from "../disk/commands.ts";
import { diskScript, IMAGE_DEVICE } from "../disk/script.ts";
import { scriptParameters } from "../initrd/files.ts";
import { MIB } from "../layout/size.ts";
import { type DiskLayout, encryptedContents } from "../plan/disk.ts";
import { requiredBytes } from "../plan/disk-problems.ts";
import type { HostPlan } from "../plan/host.ts";

/**
 * The file of parameters; `null` for a host with several disks, which only the builder can install.
 * @param where what differs from a running host of Debian's
 */
export function installParameters(
  { disk, wipe }: HostPlan,
  where: Partial<Pick<DiskSurroundings, "under" | "udev" | "unsupported">> = {},
): string | null {
  const [declared, second] = disk.disks;
  if (declared === undefined || second !== undefined) return null;
  const layout = besidesItself(declared);
  const under = where.under ?? "/run/nixfleet/install";
  const surroundings: DiskSurroundings = {
    ...{ udev: true, unsupported: [], mounts: [], mappings: [], tpm: true },
    ...where,
    ...{ under, scratch: `${under}.format` },
  };
  // A partition of /dev/sda is /dev/sda1, one of /dev/nvme0n1 is /dev/nvme0n1p1.
  const script = (mode: DiskMode) =>
    diskScript(diskCommands(layout, IMAGE_DEVICE, [mode], surroundings)).replaceAll(
      /\$\{device\}p/g,
      () => `\${partition}`,
    );
  const encrypted = encryptedContents({ disks: [layout] }).map(({ luks }) => luks);
  const esp = layout.partitions.findIndex(({ type }) => type === "esp");
  return scriptParameters({
    FORMAT: script("format"),
    MOUNT: script("mount"),
    NEEDS: Math.ceil(requiredBytes(layout) / MIB),
    KEYS: encrypted.map(({ passwordFile, settings }) => passwordFile ?? settings.keyFile).join("\n"),
    OPENS: encrypted.map(({ name }) => name).join("\n"),
    KEEPS_ROOT: wipe === null ? "yes" : "",
    ESP_NUMBER: esp === -1 ? "" : esp + 1,
  });
}

/** What is encrypted on it is opened by another name meanwhile: the running host has its own open by that. */
function besidesItself(layout: DiskLayout): DiskLayout {
  return {
    ...layout,
    partitions: layout.partitions.map((partition, index) =>
      partition.content?.kind === "luks"
        ? { ...partition, content: { ...partition.content, name: `nixfleet-install-${index + 1}` } }
        : partition,
    ),
  };
}
