/** Content that stands in a partition or in a luks: a new type of it is a new file, and its lines here. */
import { submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { type BtrfsContent, btrfs, btrfsContent } from "./btrfs.ts";
import { type FilesystemContent, filesystem, filesystemContent, formatOf } from "./filesystem.ts";
import { lvmPv, mdraid, type PartContent, partContent } from "./part.ts";
import { choice, REFUSED_CONTENT, refusedContentOptions, refusedDevice, refusedHooks } from "./refused.ts";
import { type SwapContent, swap, swapContent } from "./swap.ts";

export type PlainContent = FilesystemContent | BtrfsContent | SwapContent | PartContent;

/** By what is declared as `type`. */
export const plainTypes = { filesystem, btrfs, swap, mdraid, lvm_pv: lvmPv } as const;

/** The options of all types together: which of them count follows from `type`. */
export const plainOptions = {
  ...{ ...filesystem.options, ...btrfs.options, ...swap.options },
  ...{ ...mdraid.options, ...lvmPv.options },
} as const;

const options = {
  type: mkOption({
    type: choice(types.enum(["filesystem", "btrfs", "swap", "mdraid", "lvm_pv"]), REFUSED_CONTENT),
    description:
      "`filesystem`: vfat, ext4 and others. `btrfs`: with subvolumes. `swap`: swap space. `mdraid`, `lvm_pv`: a part of an array or of a volume group.",
  }),
  ...plainOptions,
  ...refusedContentOptions,
  ...refusedDevice,
  ...refusedHooks,
} as const;

export const plainContentOption = types.nullOr(submodule(options));

/**
 * @param name of the partition, or of the `luks`: labels are made of it where none are declared
 * @param device that swap with a random key is on; `null`: it is in a `luks`
 * @throws UserError where something is missing that has no default
 */
export function plainContent(declared: ConfigOf<typeof options>, name: string, device: string | null): PlainContent {
  switch (declared.type) {
    case "filesystem": {
      const format = formatOf(declared);
      if (format === "btrfs") return btrfsContent({ ...declared, swap: {}, subvolumes: {} }, name);
      return filesystemContent(declared, format, name);
    }
    case "btrfs":
      return btrfsContent(declared, name);
    case "swap":
      return swapContent(declared, name, device);
    case "mdraid":
      return partContent("mdadm", declared.name);
    case "lvm_pv":
      return partContent("lvm_vg", declared.vg);
  }
}
