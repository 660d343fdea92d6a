/** What the initrd mounts. */
import { UserError } from "../../errors.ts";
import { INITRD_MOUNT } from "../../plan/activation.ts";
import type { BootMount } from "../../plan/boot.ts";
import { type MadeFilePlan, textFile } from "../../plan/file-plan.ts";
import { isChecked } from "../../plan/files.ts";
import type { HostPlan } from "../../plan/host.ts";
import { unitText } from "../../plan/units.ts";
import { relation, UNITS } from "./pieces.ts";

/** `@nix`, without which the wipe could not find the pristine root. */
export function subvolumeAt(plan: HostPlan, mountpoint: string): string {
  const subvolume = mountAt(plan, mountpoint)?.subvolume ?? null;
  if (subvolume === null) {
    throw new UserError(`an ephemeral root needs a btrfs subvolume mounted at ${mountpoint} during boot`, [
      "use diskoTemplates.btrfsImpermanence, or give the disk layout such a subvolume",
    ]);
  }
  return subvolume.replace(/^\/+/, "");
}

export function mountAt({ boot }: HostPlan, mountpoint: string): BootMount | undefined {
  return boot.mounts.find((mount) => mount.mountpoint === mountpoint);
}

/** A filesystem that activation needs: where it cannot be mounted, nothing is activated. */
export function mountFiles({ mountpoint, device, fsType, options }: BootMount): MadeFilePlan[] {
  const name = `${escapeUnitName(`sysroot${mountpoint}`)}.mount`;
  const escaped = (text: string) => text.replaceAll("%", "%%");
  return [
    textFile(`${UNITS}/${name}`, [
      unitText({
        Unit: { DefaultDependencies: "no", Before: "nixfleet-activate.service", ...fsck(device, fsType) },
        Mount: {
          What: escaped(device),
          Where: escaped(`/sysroot${mountpoint}`),
          Type: fsType,
          Options: escaped([...options, INITRD_MOUNT].join(",")),
        },
      }).trimEnd(),
    ]),
    relation("nixfleet-activate.service", "requires", name),
  ];
}

/** Of the root systemd sees to it. */
function fsck(device: string, fsType: string): Readonly<Record<string, string>> {
  if (!isChecked(fsType)) return {};
  const unit = `systemd-fsck@${escapeUnitName(device.slice(1))}.service`;
  return { Requires: unit, After: unit };
}

/** As systemd-escape(1) `--path` does: `sysroot/var/my-lib` → `sysroot-var-my\x2dlib`. */
function escapeUnitName(path: string): string {
  return [...Buffer.from(path)]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      if (character === "/") return "-";
      if (/[A-Za-z0-9:_]/.test(character) || (character === "." && index > 0)) return character;
      return `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}
