/** What the initrd's wipe needs to know. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, filesystemAt } from "./disk.ts";

export interface WipePlan {
  /** The label of the btrfs filesystem that holds `@root`. */
  readonly label: string;
  /** An old root is deleted when it was retired longer ago than this, in days. */
  readonly retentionDays: number;
  /** The newest old roots, this many, are kept however old they are. */
  readonly keepNewest: number;
  /** When the wipe fails: boot the previous root, loudly, or halt. */
  readonly onFailure: "boot" | "halt";
}

/** `null` where the root is not ephemeral. @throws UserError where the disk has no `@root`, or what persists no subvolume */
export function wipePlan(config: SystemConfig, disk: DiskPlan): WipePlan | null {
  const { enable, persistRoot, retentionDays, keepNewest, onFailure } = config.nixfleet.impermanence;
  if (!enable) return null;
  const places = Object.values(config.disko.devices.disk).flatMap(({ declaredAt }) => declaredAt);
  const declared = places.length === 0 ? [] : [`the disks are declared at ${[...new Set(places)].join(", ")}`];
  const advice = [...declared, "use diskoTemplates.btrfsImpermanence, or give the disk layout such a subvolume"];
  const root = filesystemAt(disk, "/");
  if (root?.subvolume !== "@root") {
    throw new UserError("nixfleet.impermanence.enable wants a btrfs subvolume @root mounted at /", advice);
  }
  const store = filesystemAt(disk, "/nix");
  if (store !== undefined && store.label !== root.label) {
    throw new UserError(
      "nixfleet.impermanence.enable wants /nix on the same btrfs as @root, of whose store a fresh root is a snapshot",
      [
        ...declared,
        `/ is on the filesystem ${root.label}, /nix on ${store.label}: make /nix the subvolume @nix of ${root.label}`,
      ],
    );
  }
  const roots = new Set([
    persistRoot,
    ...Object.keys(config.environment.persistence),
    ...Object.keys(config.home.persistence),
  ]);
  for (const path of roots) {
    const filesystem = filesystemAt(disk, path);
    if (filesystem === undefined) {
      throw new UserError(`nothing is mounted at the persist root ${path}, so what it persists would be wiped`, advice);
    }
    if (!filesystem.neededForBoot) {
      throw new UserError(`the persist root ${path} is mounted after its entries are placed, so they would be wiped`, [
        ...declared,
        "remove neededForBoot: false from its filesystem: a persist root has true by default",
      ]);
    }
  }
  return { label: root.label, retentionDays, keepNewest, onFailure };
}
