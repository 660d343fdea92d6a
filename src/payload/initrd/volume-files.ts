/** Arrays of mdadm and volume groups of LVM: how they come up, in the initrd and later, and who is told of them. */
import { arrayLabel } from "../../layout/array.ts";
import { volumesOf } from "../../plan/disk-plan.ts";
import { type MadeFilePlan, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { readStatic, scripts } from "./pieces.ts";

/** dracut activates the volume groups that it is told, and no array before all of its disks are there. */
export function earlyVolumesFiles({ disk }: HostPlan): readonly MadeFilePlan[] {
  const early = volumesOf(disk).filter((one) => one.early);
  const groups = early.flatMap(({ kind, name }) => (kind === "group" ? [`rd.lvm.vg=${name}`] : []));
  const arrays = early.flatMap(({ kind, name }) => (kind === "array" ? [arrayLabel(name)] : []));
  return [
    ...(groups.length === 0 ? [] : [textFile("/etc/cmdline.d/90-nixfleet-volumes.conf", groups)]),
    ...(arrays.length === 0
      ? []
      : [
          textFile(
            "/etc/udev/rules.d/92-nixfleet-arrays.rules",
            arrays.map(
              (label) =>
                `SUBSYSTEM=="block", ACTION!="remove", ENV{ID_FS_TYPE}=="linux_raid_member", ENV{ID_FS_LABEL_ENC}=="${label}", RUN+="/usr/sbin/mdadm --incremental $devnode"`,
            ),
          ),
        ]),
  ];
}

/** Of what is encrypted on them, udev makes no links by label. */
export function volumeRules({ disk }: HostPlan): readonly MadeFilePlan[] {
  if (volumesOf(disk).length === 0) return [];
  return [textFile("/etc/udev/rules.d/89-nixfleet-volumes.rules", [readStatic("volumes.rules").trimEnd()])];
}

/** mdadm watches the arrays, and wants to know whom to tell. */
export function arrayEvents({ disk }: HostPlan): readonly MadeFilePlan[] {
  if (!volumesOf(disk).some(({ kind }) => kind === "array")) return [];
  return [
    ...scripts("/etc/nixfleet", "array-event.sh"),
    textFile("/etc/mdadm/mdadm.conf", ["PROGRAM /etc/nixfleet/array-event.sh"]),
  ];
}
