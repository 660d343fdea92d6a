/** Content that stands in a partition or in a luks: a new type of it is a new file, and its lines here. */
import { submodule } from "../modules/collections.ts";
import { type ConfigOf, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { type BtrfsContent, btrfs, btrfsContent } from "./btrfs.ts";
import type { ContentType } from "./content-type.ts";
import { type FilesystemContent, filesystem, filesystemContent } from "./filesystem.ts";
import { type SwapContent, swap, swapContent } from "./swap.ts";

export type PlainContent = FilesystemContent | BtrfsContent | SwapContent;

export const plainTypes = { filesystem, btrfs, swap } as const;

/** The options of all types together: which of them count follows from `type`. */
export const plainOptions = { ...filesystem.options, ...btrfs.options, ...swap.options } as const;

const options = {
  type: mkOption({
    type: types.enum(["filesystem", "btrfs", "swap"]),
    description: "`filesystem`: vfat or ext4. `btrfs`: with subvolumes. `swap`: swap space.",
  }),
  ...plainOptions,
} as const;

export const plainContentOption = types.nullOr(submodule(options));

export function plainType<C extends PlainContent>(content: C): ContentType<C> {
  return plainTypes[content.kind] as ContentType<PlainContent> as ContentType<C>;
}

/** @throws UserError where something is missing that has no default */
export function plainContent(declared: ConfigOf<typeof options>, label: string): PlainContent {
  switch (declared.type) {
    case "filesystem":
      return filesystemContent(declared, label);
    case "btrfs":
      return btrfsContent(declared, label);
    case "swap":
      return swapContent(declared, label);
  }
}
