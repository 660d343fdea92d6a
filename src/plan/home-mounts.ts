/** Homes on a filesystem of their own, which hides those that the closure's root has. */

import { isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import { homeLine } from "./activation.ts";
import { type DiskPlan, mountedFilesystems } from "./disk-plan.ts";
import type { MadeFilePlan } from "./file-plan.ts";
import type { Home } from "./homes.ts";
import { unitFiles } from "./units.ts";

export interface HiddenHome extends Home {
  /** Whether the initrd mounts its filesystem, or else the running host. */
  readonly early: boolean;
}

/** People's homes on another filesystem than the root. */
export function hiddenHomes({ users }: SystemConfig, disk: DiskPlan): readonly HiddenHome[] {
  return Object.values(users.users).flatMap(({ name, home, group, isNormalUser }) => {
    const filesystem = mountedFilesystems(disk).findLast(({ mountpoint }) => isWithin(home, mountpoint));
    if (!isNormalUser || name === "root" || filesystem === undefined || filesystem.mountpoint === "/") return [];
    return [{ path: home, user: name, group, early: filesystem.neededForBoot }];
  });
}

/** What makes them where only the running host mounts them: once, when they are missing or hold nothing. */
export function homeFiles(config: SystemConfig, disk: DiskPlan): MadeFilePlan[] {
  return hiddenHomes(config, disk)
    .filter(({ early }) => !early)
    .flatMap((home) => {
      const lines = `/etc/nixfleet/homes/${home.user}.conf`;
      const path = home.path.replaceAll("%", "%%");
      return [
        { kind: "text" as const, path: lines, text: `${homeLine(home)}\n`, mode: "0644" },
        ...unitFiles({
          services: {
            [`nixfleet-home-${home.user}`]: {
              ...NO_RELATIONS,
              description: `Make the home of ${home.user} on its own filesystem, once`,
              wantedBy: ["multi-user.target"],
              before: ["systemd-user-sessions.service"],
              unitConfig: {
                RequiresMountsFor: `"${path.replace(/["\\]/g, "\\$&")}"`,
                ConditionDirectoryNotEmpty: `!${path}`,
              },
              serviceConfig: {
                Type: "oneshot",
                RemainAfterExit: true,
                ExecStart: `/usr/bin/systemd-tmpfiles --create ${lines}`,
              },
            },
          },
          units: {},
        }),
      ];
    });
}

const NO_RELATIONS = { enable: true, requiredBy: [], after: [], wants: [], requires: [], environment: {} } as const;
