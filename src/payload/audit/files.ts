/** The commands that say what a host's roots hold, and bring back what an old one had. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type FilePlan, symlink, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { scriptParameters } from "../initrd/pieces.ts";

const UNITS = "/etc/systemd/system";

/** Of the trash, where no old roots are kept. */
const DAYS = 30;

/** For the pristine root. */
export function auditFiles(plan: HostPlan): readonly FilePlan[] {
  return [
    ...readdirSync(import.meta.dirname)
      .filter((name) => /\.(sh|p[lm])$/.test(name))
      .sort()
      .map((name) => script(join(import.meta.dirname, name))),
    script(join(import.meta.dirname, "../host/lock.sh")),
    ...unit("nixfleet-trash.service"),
    ...(plan.wipe === null
      ? []
      : [
          unitFile("nixfleet-measure.service"),
          ...unit("nixfleet-measure.timer", "timers.target"),
          ...unit("nixfleet-state.service", "sysinit.target"),
        ]),
    textFile("/etc/nixfleet/audit.conf", [scriptParameters(auditParameters(plan)).trimEnd()]),
  ];
}

export function auditParameters({ wipe, boot, persistence }: HostPlan): Readonly<Record<string, string | number>> {
  const nix = boot.mounts.find(({ mountpoint }) => mountpoint === "/nix");
  const subvolume = nix?.options.findLast((option) => option.startsWith("subvol="));
  const device = boot.mounts.find(({ mountpoint }) => mountpoint === "/")?.device;
  const roots = new Set([persistence.persistRoot, ...persistence.roots.map(({ path }) => path)]);
  const stateRoots = boot.mounts.filter((mount) => roots.has(mount.mountpoint) && mount.device === device);
  return {
    LABEL: wipe?.label ?? "",
    RETENTION_DAYS: wipe?.retentionDays ?? DAYS,
    KEEP_NEWEST: wipe?.keepNewest ?? 0,
    NIX_SUBVOLUME: (subvolume ?? "subvol=").slice("subvol=".length).replace(/^\/+/, ""),
    STATE_ROOTS: stateRoots.map(({ mountpoint }) => mountpoint).join("\n"),
    PERSIST_ROOT: persistence.persistRoot,
  };
}

function unit(name: string, wantedBy = "multi-user.target"): readonly FilePlan[] {
  return [unitFile(name), symlink(`${UNITS}/${wantedBy}.wants/${name}`, `../${name}`)];
}

function unitFile(name: string): FilePlan {
  return textFile(`${UNITS}/${name}`, [readFileSync(join(import.meta.dirname, name), "utf8").trimEnd()]);
}

function script(file: string): FilePlan {
  return { kind: "text", path: `/etc/nixfleet/${basename(file)}`, text: readFileSync(file, "utf8"), mode: "0755" };
}
