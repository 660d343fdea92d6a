/** The subvolumes of a `btrfs`. */
import { attrsOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import type { Problem } from "./content-type.ts";
import { mountingOptions, mountOptionsOf } from "./filesystem.ts";
import { refusedOption } from "./refused.ts";
import { type SwapFile, swapFileProblems, swapFiles, swapFilesOption } from "./swap-file.ts";

export interface SubvolumeLayout {
  /** From the top of the filesystem, without a slash at its beginning: `@root`, `home/alice`. */
  readonly name: string;
  /** `null`: made, but not mounted. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
  readonly neededForBoot: boolean;
  readonly swap: readonly SwapFile[];
}

export const subvolumesOption = mkOption({
  type: attrsOf(
    submodule({
      name: mkOption({
        type: types.nullOr(types.str),
        default: null,
        description: "The name on the disk. null: the key. A leading slash is ignored.",
      }),
      type: mkOption({ type: types.enum(["btrfs_subvol"]), default: "btrfs_subvol", internal: true }),
      extraArgs: refusedOption(
        { why: "nixfleet creates a subvolume without extra arguments", instead: "remove them" },
        [[]],
      ),
      ...mountingOptions,
      swap: swapFilesOption,
    }),
  ),
  default: {},
  description: "The subvolumes of a `btrfs`, by name.",
});

/** Parents before what is in them. */
export function subvolumes(declared: ConfigOf<typeof subvolumesOption>): readonly SubvolumeLayout[] {
  return Object.entries(declared)
    .map(([key, { name, mountpoint, mountOptions, neededForBoot, swap }]) => ({
      name: (name ?? key).replace(/^\/+|\/+$/g, ""),
      ...{ mountpoint, mountOptions: mountOptionsOf(mountOptions), neededForBoot, swap: swapFiles(swap) },
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export function subvolumeProblems({ name, mountpoint, swap }: SubvolumeLayout): readonly Problem[] {
  const option = `subvolumes.${name}`;
  return [
    ...(name.split("/").every((part) => /^[^\s,\\-][^\s,\\]*$/.test(part) && part !== "." && part !== "..")
      ? []
      : [
          {
            option,
            what: `${JSON.stringify(name)} is not a valid name for a subvolume`,
            fix: "write it like @root or home/alice, without blanks, commas and backslashes",
          },
        ]),
    ...swapFileProblems(`${option}.swap`, `the subvolume ${name}`, mountpoint, swap),
  ];
}
