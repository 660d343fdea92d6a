/** The content `swap`: a partition that is swap space. */
import { type ConfigOf, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { byLabel, type ContentType, command, labelProblems } from "./content-type.ts";
import { labelOption } from "./filesystem.ts";
import { MIB } from "./size.ts";

export interface SwapContent {
  readonly kind: "swap";
  readonly label: string;
  /** Of several, the one with the highest number is used first; `null`: as the kernel likes. */
  readonly priority: number | null;
  readonly discardPolicy: "once" | "pages" | "both" | null;
  readonly resumeDevice: boolean;
}

const options = {
  label: labelOption,
  priority: mkOption({
    type: types.nullOr(types.intBetween(0, 32767)),
    default: null,
    description: "Of several `swap`s the one with the highest number is used first; null: as the kernel likes.",
  }),
  discardPolicy: mkOption({
    type: types.nullOr(types.enum(["once", "pages", "both"])),
    default: null,
    description: "When the device is told what it may forget: swapon(8), `--discard`. null: never.",
  }),
  resumeDevice: mkOption({
    type: types.bool,
    default: false,
    description: "Whether a hibernated system is looked for in this `swap` at boot, and resumed instead of a wipe.",
  }),
} as const;

export const swap: ContentType<SwapContent> & { readonly options: typeof options } = {
  options,
  signature: () => "swap",
  minimum: () => MIB,
  problems: ({ label }) => labelProblems("swap", label, LABEL),
  packages: () => [],
  create: ({ label }, { device, name }) => [
    command(`make ${name} swap space`, "mkswap", ["--quiet", "--label", label, "--", device]),
  ],
  mappings: () => [],
  // Who formats a disk does not want to swap to it: the host does, once it runs.
  mounts: () => [],
  filesystems: () => [],
  swaps: ({ label, priority, discardPolicy, resumeDevice }) => {
    const discard = discardPolicy === "both" ? "discard" : `discard=${discardPolicy}`;
    const options = [...(discardPolicy === null ? [] : [discard]), ...(priority === null ? [] : [`pri=${priority}`])];
    return [{ source: byLabel(label), options, resume: resumeDevice }];
  },
  describe: (content) => [
    { holds: `swap ${content.label}`, mountpoint: "", options: swap.swaps(content).flatMap(({ options }) => options) },
  ],
};

export function swapContent(declared: ConfigOf<typeof options>, label: string): SwapContent {
  const { priority, discardPolicy, resumeDevice } = declared;
  return { kind: "swap", label, priority, discardPolicy, resumeDevice };
}

/** mkswap(8) keeps 16 bytes, with a final zero. */
const LABEL = 15;
