/** Files of swap space, at the top of a btrfs or of one of its subvolumes. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import type { Problem, UsedSwap } from "./content-type.ts";
import { parseAligned, sizeType } from "./size.ts";

export interface SwapFile {
  /** From where the subvolume is mounted: `swapfile`. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  readonly priority: number | null;
  readonly options: readonly string[];
}

/** What of swap(8) a partition and a file have. */
export const swappingOptions = {
  priority: mkOption({
    type: types.nullOr(types.intBetween(0, 32767)),
    default: null,
    description: "The kernel uses the `swap` with the highest number first. null: the kernel decides.",
  }),
} as const;

export const swapFilesOption = mkOption({
  type: attrsOf(
    submodule({
      size: mkOption({ type: sizeType, description: "The size of the file." }),
      path: mkOption({
        type: types.str,
        default: ({ name }) => name,
        defaultText: "its name",
        description: "The path of the file, relative to where its subvolume is mounted.",
      }),
      ...swappingOptions,
      options: mkOption({ type: listOf(types.nonEmptyStr), default: [], description: "Options of swapon(8)." }),
    }),
  ),
  default: {},
  example: { swapfile: { size: "4G" } },
  description: "Swap files at the top of the subvolume, by name.",
});

export function swapFiles(declared: ConfigOf<typeof swapFilesOption>): readonly SwapFile[] {
  return Object.values(declared).map(({ size, path, priority, options }) => ({
    path,
    size: parseAligned(size),
    priority,
    options: options.filter((option) => option !== "defaults"),
  }));
}

export function usedSwapFiles(mountpoint: string | null, files: readonly SwapFile[]): readonly UsedSwap[] {
  if (mountpoint === null) return [];
  return files.map(({ path, priority, options }) => ({
    source: `${mountpoint === "/" ? "" : mountpoint}/${path}`,
    options: [...options, ...(priority === null ? [] : [`pri=${priority}`])],
    resume: false,
  }));
}

/** @param option where they are declared: `subvolumes.@swap.swap` */
export function swapFileProblems(
  option: string,
  holder: string,
  mountpoint: string | null,
  files: readonly SwapFile[],
): readonly Problem[] {
  return [
    ...files
      .filter(({ path }) => !/^[\w@.+:=-]+$/.test(path) || path.startsWith("-") || /^\.\.?$/.test(path))
      .map(({ path }) => ({
        option,
        what: `${JSON.stringify(path)} is not a valid name for a swap file`,
        fix: "write it like swapfile, without slashes and blanks",
      })),
    ...(files.length > 0 && mountpoint === null
      ? [{ option, what: `${holder} has swap, but is not mounted`, fix: "give it a mountpoint, such as /swap" }]
      : []),
  ];
}
