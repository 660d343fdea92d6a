/** A disk, and the content of its partitions. */
import type { Content } from "./content.ts";
import type { TablePartition } from "./partition-table.ts";

export {
  BOOTABLE,
  partitionCommands,
  partitionDevice,
  SCRIPT_DEVICE,
  SCRIPT_DEVICES,
  SCRIPT_PARTITION,
  scriptDevice,
} from "./partition-table.ts";

export interface DiskLayout {
  /** Its key in `disko.devices.disk`. */
  readonly name: string;
  /** The device it is made on unless the command line names another: `/dev/vda`. */
  readonly device: string;
  /** Of an image of it, in bytes; `null`: whatever is asked for. */
  readonly imageSize: number | null;
  /** An MBR: in place of a GPT. */
  readonly table?: "dos";
  readonly partitions: readonly PartitionLayout[];
}

export type PartitionLayout = TablePartition<Content>;

/** A disk and the device that it is on: `/dev/vda`. */
export interface PlacedDisk {
  readonly layout: DiskLayout;
  readonly device: string;
}
