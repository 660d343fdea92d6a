/** The content `swap`: a partition that is swap space. */
import { listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { byLabel, type ContentType, command, labelFrom, labelProblems, nameProblems } from "./content-type.ts";
import { extraArgs, extraArgsOption, extraArgsProblems } from "./extra-args.ts";
import { labelOption, mountOptionsOf } from "./filesystem.ts";
import { MIB } from "./size.ts";
import { swappingOptions } from "./swap-file.ts";

export interface SwapContent {
  readonly kind: "swap";
  /** Empty where a random key leaves no label to be found by. */
  readonly label: string;
  /** Of several, the one with the highest number is used first; `null`: as the kernel likes. */
  readonly priority: number | null;
  readonly discardPolicy: "once" | "pages" | "both" | null;
  readonly resumeDevice: boolean;
  readonly mountOptions: readonly string[];
  readonly extraArgs: readonly string[];
  /** Encrypted with a key that nobody knows, another at every boot; `null`: not encrypted. */
  readonly randomEncryption: RandomEncryption | null;
}

export interface RandomEncryption {
  /** It is opened as `/dev/mapper/<name>`. */
  readonly name: string;
  /** Its content is overwritten at every boot: `/dev/disk/by-partuuid/…`. */
  readonly device: string;
}

const options = {
  label: labelOption,
  ...swappingOptions,
  discardPolicy: mkOption({
    type: types.nullOr(types.enum(["once", "pages", "both"])),
    default: null,
    description: "When swap space passes TRIM to the device: swapon(8), `--discard`. null: never.",
  }),
  resumeDevice: mkOption({
    type: types.bool,
    default: false,
    description:
      "Whether a boot looks for a hibernated system in this `swap`, and resumes it instead of wiping the root.",
  }),
  randomEncryption: mkOption({
    type: types.bool,
    default: false,
    description: "Whether every boot encrypts this `swap` with a new random key.",
  }),
  mountOptions: mkOption({
    type: listOf(types.strMatching(/[^\s]+/, "mount options, without spaces")),
    default: [],
    description: "Options of swapon(8).",
  }),
  extraArgs: extraArgsOption,
} as const;

export const swap: ContentType<SwapContent> & { readonly options: typeof options } = {
  options,
  signature: ({ randomEncryption }) => (randomEncryption === null ? "swap" : null),
  minimum: () => MIB,
  problems: ({ label, extraArgs, randomEncryption, resumeDevice }) => [
    ...(randomEncryption === null
      ? labelProblems("swap", label, LABEL)
      : nameProblems("label", "the name of the encrypted swap", randomEncryption.name, DEVICE_NAME)),
    ...(randomEncryption !== null && resumeDevice
      ? [
          {
            option: "resumeDevice",
            what: "a host cannot resume from swap whose key is gone at the next boot",
            fix: "remove randomEncryption or resumeDevice",
          },
        ]
      : []),
    ...extraArgsProblems(extraArgs),
  ],
  packages: ({ randomEncryption }) => (randomEncryption === null ? [] : ["cryptsetup-bin", "systemd-cryptsetup"]),
  // With a random key there is nothing to make: the host does that at every boot.
  create: ({ label, extraArgs, randomEncryption }, { device, name }) =>
    randomEncryption === null
      ? [command(`make ${name} swap space`, "mkswap", ["--quiet", ...extraArgs, "--label", label, "--", device])]
      : [],
  mappings: () => [],
  // Who formats a disk does not want to swap to it: the host does, once it runs.
  mounts: () => [],
  filesystems: () => [],
  swaps: ({ label, priority, discardPolicy, resumeDevice, mountOptions, randomEncryption }) => {
    const discard = discardPolicy === "both" ? "discard" : `discard=${discardPolicy}`;
    return [
      {
        source: randomEncryption === null ? byLabel(label) : `/dev/mapper/${randomEncryption.name}`,
        options: [
          ...mountOptions,
          ...(discardPolicy === null ? [] : [discard]),
          ...(priority === null ? [] : [`pri=${priority}`]),
        ],
        resume: resumeDevice,
      },
    ];
  },
  describe: (content) => [
    {
      holds: content.randomEncryption === null ? `swap ${content.label}` : "swap, with a new random key at every boot",
      mountpoint: "",
      options: swap.swaps(content).flatMap(({ options }) => options),
    },
  ],
};

/**
 * @param name of the partition, or of the `luks`
 * @param device that it is on; `null`: it is in a `luks`
 */
export function swapContent(declared: ConfigOf<typeof options>, name: string, device: string | null): SwapContent {
  const { priority, discardPolicy, resumeDevice } = declared;
  const args = extraArgs(declared.extraArgs, ["-L", "--label"], []);
  const label = declared.label ?? args.label ?? labelFrom(name, LABEL);
  const mountOptions = mountOptionsOf(declared.mountOptions).filter((option) => option !== "defaults");
  const content = { kind: "swap", priority, discardPolicy, resumeDevice, mountOptions, extraArgs: args.rest } as const;
  // In a luks it is encrypted already.
  if (!declared.randomEncryption || device === null) return { ...content, label, randomEncryption: null };
  return { ...content, label: "", randomEncryption: { name: label, device } };
}

/** A line of crypttab(5). */
export function randomEncryptionLine({ discardPolicy }: SwapContent, { name, device }: RandomEncryption): string {
  const discard = discardPolicy === null ? [] : ["discard"];
  const options = ["swap", "cipher=aes-xts-plain64", "size=512", ...discard, "nofail"];
  return [name, device, "/dev/urandom", options.join(",")].join(" ");
}

/** mkswap(8) keeps 16 bytes, with a final zero. */
const LABEL = 15;
/** DM_NAME_LEN without the final zero. */
const DEVICE_NAME = 127;
