/** How disks are partitioned, formatted and mounted. */
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
