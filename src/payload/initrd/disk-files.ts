/** Which disks are the host's own, and whether all of them are there. */
import { byLabel } from "../../layout/content-type.ts";
import { type MadeFilePlan, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { spreadArrays, spreadFilesystems } from "../../plan/members.ts";
import { mountAt } from "./mounts.ts";
import { conf, readStatic, relation, scripts, UNITS, unitFile } from "./pieces.ts";

/** Where the boot entry does not say which disks are this host's. */
export function disksFiles(plan: HostPlan): readonly MadeFilePlan[] {
  const root = mountAt(plan, "/");
  const subvolume = root?.subvolume ?? null;
  const labels = plan.boot.mounts.flatMap(({ device }) => (device.startsWith(BY_LABEL) ? [labelIn(device)] : []));
  return [
    ...(plan.wipe === null ? scripts("/usr/lib/nixfleet", "filesystem.sh") : []),
    ...scripts("/usr/lib/nixfleet", "disks.sh"),
    conf("/etc/nixfleet/disks.conf", {
      LABELS: [...new Set(labels)].join("\n"),
      ROOT_LABEL: subvolume === null ? "" : labelIn(root?.device ?? ""),
      ROOT_SUBVOLUME: subvolume ?? "",
      KERNEL_COMMAND_LINE: "/proc/cmdline",
      LINKS: "/dev/disk/by-label",
      MOUNTPOINT: "/run/nixfleet/disks",
    }),
    unitFile("nixfleet-disks.service"),
    relation("sysroot.mount", "requires", "nixfleet-disks.service"),
  ];
}

const BY_LABEL = byLabel("");

function labelIn(device: string): string {
  return device.slice(BY_LABEL.length);
}

/**
 * A filesystem or an array on several disks is waited for, and used without one of them only if somebody has told so: those
 * that the initrd needs there, other filesystems on the running host. Other arrays are Debian's own affair.
 */
export function membersFiles({ disk }: HostPlan, isInitrd: boolean): readonly MadeFilePlan[] {
  const spread = spreadFilesystems(disk.disks);
  const here = spread.filter(({ early }) => early === isInitrd);
  const arrays = isInitrd ? spreadArrays(disk.disks).filter(({ early }) => early) : [];
  return [
    // The host keeps what the initrd has mounted.
    ...(spread.length === 0
      ? []
      : [textFile("/etc/udev/rules.d/91-nixfleet-members.rules", [readStatic("members.rules").trimEnd()])]),
    ...(here.length + arrays.length === 0
      ? []
      : [
          ...scripts("/etc/nixfleet", "members.sh", ...(isInitrd ? ["report.sh"] : [])),
          conf("/etc/nixfleet/members.conf", {
            FILESYSTEMS: here.map(({ label, degraded }) => (degraded ? `${label} yes` : label)).join("\n"),
            ARRAYS: arrays.map(({ label }) => label).join("\n"),
            MEMBERS: [
              ...here.flatMap(({ label, devices }) => devices.map((one, index) => `${label}\t${index + 1}\t${one}`)),
              ...arrays.flatMap(({ label, devices }) =>
                devices.map((one, index) => `array:${label}\t${index}\t${one}`),
              ),
            ].join("\n"),
            KERNEL_COMMAND_LINE: "/proc/cmdline",
            LINKS: "/dev/disk/by-label",
            RUNTIME: "/run/nixfleet",
            WAIT: 30,
          }),
          unitFile("nixfleet-members.service"),
          // dracut lets the root's device be waited for without end.
          ...(isInitrd
            ? [
                textFile(`${UNITS}/nixfleet-members.service.d/stop.conf`, [
                  "[Unit]",
                  "OnFailure=emergency.target",
                  "OnFailureJobMode=replace-irreversibly",
                ]),
              ]
            : []),
          relation(isInitrd ? "initrd-root-device.target" : "local-fs-pre.target", "wants", "nixfleet-members.service"),
        ]),
  ];
}

/** A disk that installs its host has nothing to do with what that machine's own disk holds. */
export function installerRules({ loader }: HostPlan): readonly MadeFilePlan[] {
  if (loader.esps.length === 0 && loader.biosBoot === null) return [];
  return [textFile("/etc/udev/rules.d/90-nixfleet-installer.rules", [readStatic("installer.rules").trimEnd()])];
}

/** What another disk has that is labelled like this host's own, the host does not take for it: in the initrd and later. */
export function ownDisksRules(): readonly MadeFilePlan[] {
  return [
    textFile("/etc/udev/rules.d/90-nixfleet-own-disks.rules", [readStatic("own-disks.rules").trimEnd()]),
    ...scripts("/etc/nixfleet", "own-disk.sh"),
  ];
}
