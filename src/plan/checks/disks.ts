/** Devices that no disk is. */
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";

export function deviceProblems({ disko }: SystemConfig): PlanProblem[] {
  return Object.entries(disko.devices.disk).flatMap(([name, { device }]): PlanProblem[] => {
    const whole = diskOf(device);
    if (whole === null) return [];
    return [
      {
        what: `disko.devices.disk.${name}.device: ${device} is a partition, and a whole disk is partitioned`,
        at: [],
        fix: `write ${whole}`,
        option: ["disko", "devices", "disk", name, "device"],
      },
    ];
  });
}

/** As the kernel and udev name partitions: `/dev/sda1`, `/dev/nvme0n1p2`, `/dev/disk/by-id/…-part1`. */
function diskOf(device: string): string | null {
  const found =
    /^(\/dev\/disk\/by-(?:id|path)\/.+)-part\d+$/.exec(device) ??
    /^(\/dev\/(?:nvme\d+n\d+|mmcblk\d+|nbd\d+|loop\d+|md\d+))p\d+$/.exec(device) ??
    /^(\/dev\/(?:s|v|xv|h)d[a-z]+)\d+$/.exec(device);
  return found?.[1] ?? null;
}
