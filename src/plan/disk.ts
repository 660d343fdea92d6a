/** How disks are partitioned, formatted and mounted. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { parseSize } from "./size.ts";

export interface DiskPlan {
  readonly disks: readonly DiskLayout[];
}

export interface DiskLayout {
  /** Its key in `disko.devices.disk`. */
  readonly name: string;
  /** The device it is made on unless the command line names another: `/dev/vda`. */
  readonly device: string;
  readonly partitions: readonly PartitionLayout[];
}

export interface PartitionLayout {
  /** The GPT partition name. */
  readonly name: string;
  readonly type: "esp" | "linux";
  /** In bytes; `null`: the rest of the disk (only the last partition). */
  readonly size: number | null;
  readonly content: PartitionContent;
}

export type PartitionContent = VfatContent | BtrfsContent;

export interface VfatContent {
  readonly kind: "vfat";
  readonly label: string;
  readonly mountpoint: string;
  readonly mountOptions: readonly string[];
}

export interface BtrfsContent {
  readonly kind: "btrfs";
  readonly label: string;
  readonly subvolumes: readonly SubvolumeLayout[];
}

export interface SubvolumeLayout {
  /** `@root` */
  readonly name: string;
  /** `null`: made, but not mounted. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
}

/** The disks of a configuration, their partitions in the order in which they are made. */
export function diskPlan(config: SystemConfig): DiskPlan {
  return {
    disks: Object.entries(config.disko.devices.disk).map(([name, disk]) => ({
      name,
      device: disk.device,
      partitions: Object.entries(disk.content.partitions)
        .sort(([nameA, a], [nameB, b]) => a.priority - b.priority || (nameA < nameB ? -1 : 1))
        .map(([partition, declared]) => ({
          name: partition,
          type: declared.type === "EF00" ? "esp" : "linux",
          size: declared.size === "100%" ? null : parseSize(declared.size),
          content: contentOf(partition, declared.content),
        })),
    })),
  };
}

export interface MountedFilesystem {
  readonly mountpoint: string;
  readonly label: string;
  readonly fsType: "btrfs" | "vfat";
  readonly subvolume: string | null;
  readonly mountOptions: readonly string[];
}

/** Every mountpoint of the plan, those above before those below. */
export function mountedFilesystems(plan: DiskPlan): readonly MountedFilesystem[] {
  return plan.disks
    .flatMap((disk) => disk.partitions.flatMap(({ content }) => mountsOf(content)))
    .sort((a, b) => (a.mountpoint < b.mountpoint ? -1 : 1));
}

/** What is mounted at exactly this path. */
export function filesystemAt(plan: DiskPlan, mountpoint: string): MountedFilesystem | undefined {
  return mountedFilesystems(plan).find((filesystem) => filesystem.mountpoint === mountpoint);
}

function mountsOf(content: PartitionContent): MountedFilesystem[] {
  switch (content.kind) {
    case "vfat":
      return [
        {
          mountpoint: content.mountpoint,
          label: content.label,
          fsType: "vfat",
          subvolume: null,
          mountOptions: content.mountOptions,
        },
      ];
    case "btrfs":
      return content.subvolumes.flatMap(({ name, mountpoint, mountOptions }) =>
        mountpoint === null
          ? []
          : [{ mountpoint, label: content.label, fsType: "btrfs" as const, subvolume: name, mountOptions }],
      );
  }
}

type DeclaredContent = SystemConfig["disko"]["devices"]["disk"][string]["content"]["partitions"][string]["content"];

function contentOf(partition: string, content: DeclaredContent): PartitionContent {
  const label = content.label ?? partition;
  switch (content.type) {
    case "btrfs":
      return {
        kind: "btrfs",
        label,
        subvolumes: Object.entries(content.subvolumes).map(([name, { mountpoint, mountOptions }]) => ({
          name,
          mountpoint,
          mountOptions,
        })),
      };
    case "filesystem":
      if (content.mountpoint === null)
        throw new UserError(`the partition ${partition} has no mountpoint`, [
          "give its content a `mountpoint`, such as /boot",
        ]);
      return { kind: "vfat", label, mountpoint: content.mountpoint, mountOptions: content.mountOptions };
  }
}
