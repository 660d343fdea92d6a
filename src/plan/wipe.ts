/** What the initrd's wipe needs to know. */
import { layers } from "../layout/content.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, filesystemAt } from "./disk-plan.ts";
import { persistRootProblems, SUBVOLUME } from "./persist-roots.ts";
import type { PlanProblem } from "./problem.ts";

export interface WipePlan {
  /** The label of the btrfs filesystem that holds the root. */
  readonly label: string;
  /** Which of its subvolumes is the root: `@root`. */
  readonly subvolume: string;
  /** An old root is deleted when it was retired longer ago than this, in days. */
  readonly retentionDays: number;
  /** This many of the newest old roots stay, however old they are. */
  readonly keepNewest: number;
  /** When the wipe fails: boot the previous root, loudly, or halt. */
  readonly onFailure: "boot" | "halt";
}

/** `null` where the root is not ephemeral. A problem is a disk that has no `@root`, or no subvolume for what persists. */
export function wipePlan(config: SystemConfig, disk: DiskPlan, problems: PlanProblem[]): WipePlan | null {
  const { enable, retentionDays, keepNewest, onFailure } = config.nixfleet.impermanence;
  if (!enable) return null;
  const at = [...new Set(Object.values(config.disko.devices.disk).flatMap(({ declaredAt }) => declaredAt))];
  problems.push(...persistRootProblems(config, disk, at));
  const root = filesystemAt(disk, "/");
  const subvolume = root?.subvolume ?? "/";
  if (root === undefined || subvolume === "/") {
    const what = "nixfleet.impermanence.enable wants a btrfs subvolume, such as @root, mounted at /";
    problems.push({ what, at, fix: SUBVOLUME });
    return null;
  }
  const store = filesystemAt(disk, "/nix");
  if (store !== undefined && store.label !== root.label) {
    problems.push({
      what: "nixfleet.impermanence.enable wants /nix on the same btrfs as @root, of whose store a fresh root is a snapshot",
      at,
      fix: `/ is on the filesystem ${root.label}, /nix on ${store.label}: make /nix the subvolume @nix of ${root.label}`,
    });
  }
  const names = subvolumeNames(disk, root.label);
  const inside = names.find((name) => name.startsWith(`${subvolume}/`));
  if (inside !== undefined) {
    problems.push({
      what: `the subvolume ${inside} is in ${subvolume}, which the wipe takes away with all that is in it`,
      at,
      fix: `name it beside ${subvolume}, such as @${inside.split("/").at(-1)}: it can be mounted at the same place`,
    });
  }
  // What scripts on the host make, each by its name.
  const own = [`${subvolume}.new`, "@root.new", "@root.reserve", "@root.seen", "@root.seen-other", "old_roots"];
  const taken = own.find((name) => names.some((one) => one === name || one.startsWith(`${name}/`)));
  if (taken !== undefined) {
    problems.push({
      what: `the wipe makes and deletes a subvolume of the name ${taken} itself`,
      at,
      fix: "give the subvolume another name, such as @data",
    });
  }
  const covering = ["/var", "/var/lib"].find((path) => filesystemAt(disk, path) !== undefined);
  if (covering !== undefined) {
    problems.push({
      what: `a filesystem of its own on ${covering} would hide what a fresh root has there`,
      at,
      fix: `mount what holds your data below it, such as ${covering === "/var" ? "/var/spool" : "/var/lib/postgresql"}; or persist folders of ${covering} instead`,
    });
  }
  return { label: root.label, subvolume, retentionDays, keepNewest, onFailure };
}

function subvolumeNames({ disks }: DiskPlan, label: string): readonly string[] {
  return disks
    .flatMap(({ partitions }) => partitions.flatMap(({ content }) => layers(content)))
    .flatMap((content) => (content.kind === "btrfs" && content.label === label ? content.subvolumes : []))
    .map(({ name }) => name);
}
