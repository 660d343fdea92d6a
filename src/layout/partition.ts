/** What a partition declares. */
import { listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";
import { contentOption } from "./content.ts";
import { endType, partitionSizeType, startType, takesRest } from "./extent.ts";
import { partitionCodeType } from "./partition-types.ts";
import { choice, refusedDevice, refusedOption } from "./refused.ts";

const FLAGS = ["boot", "esp", "bios_grub", "legacy_boot", "swap", "raid", "lvm", "msftdata"] as const;

const NO_FLAGS = Object.fromEntries(
  ["hidden", "diag", "lba", "prep", "msftres", "irst", "chromeos_kernel", "bls_boot", "no_automount"].map((flag) => [
    flag,
    {
      why: "nixfleet sets no such flag",
      instead: "remove it; the type of a partition stands in type, bits of a GPT in attributes",
    },
  ]),
);

interface Flagged {
  readonly flags: readonly string[];
  readonly bootable: boolean;
  readonly content: { readonly type: string; readonly format?: string | null } | null;
}

/** Of a partition that declares no type. */
function typeByFlags({ flags, bootable, content }: Flagged): string {
  const isVfat = content?.type === "filesystem" && content.format === "vfat";
  const has = (...ones: readonly string[]) => ones.some((flag) => flags.includes(flag));
  if (has("esp") || ((bootable || has("boot")) && isVfat)) return "EF00";
  if (has("bios_grub")) return "EF02";
  if (has("swap") || content?.type === "swap") return "8200";
  if (has("raid")) return "FD00";
  if (has("lvm")) return "8E00";
  return has("msftdata") ? "0700" : "8300";
}

/** Where it is declared, for errors. */
export const declaredAtOption = mkOption({
  type: listOf(types.str),
  internal: true,
  default: ({ places }) => places.map((place) => place.text),
});

export const partitionType = submodule({
  size: mkOption({
    type: types.nullOr(partitionSizeType),
    default: null,
    example: "8G",
    description: "The size, in powers of 1024; a part of the disk, such as `50%`; or `100%` for its rest.",
  }),
  start: mkOption({
    type: types.nullOr(startType),
    default: null,
    example: "1M",
    description:
      "Where the partition begins, from the start of the disk (`1M`, `50%`). null: where the previous one ends.",
  }),
  end: mkOption({
    type: types.nullOr(endType),
    default: null,
    example: "-10G",
    description:
      "Instead of `size`: where the partition ends, from the start of the disk (`128M`, `50%`) or before its end (`-10G`).",
  }),
  type: mkOption({
    type: partitionCodeType,
    default: ({ self }) => typeByFlags({ flags: self.flags, bootable: self.bootable, content: self.content }),
    defaultText: "8200 for swap, 8300 for anything else; or what `flags` say",
    description:
      "EF00: EFI system partition. EF02: GRUB on a BIOS. 8200: swap. 8300: Linux data. Or another code of sgdisk(8), or a GUID.",
  }),
  name: mkOption({
    type: types.nullOr(types.str),
    default: null,
    description: "The name. null: the key.",
  }),
  label: mkOption({
    type: types.nullOr(types.str),
    default: null,
    description: "The name in the partition table, if it differs from `name`.",
  }),
  uuid: mkOption({
    type: types.nullOr(types.strMatching(/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/, "a UUID")),
    default: null,
    description:
      "The UUID of the partition itself, not of what it holds. null: a random one when the partition is created.",
  }),
  attributes: mkOption({
    type: listOf(types.intBetween(0, 63)),
    default: [],
    example: [2],
    description: "Attribute bits to set: 0 required, 1 hidden from EFI, 2 bootable by a BIOS, 48 to 63.",
  }),
  priority: mkOption({
    type: types.int,
    default: ({ self }) =>
      self.type.toUpperCase() === "EF02"
        ? 99
        : self.type.toUpperCase() === "EF00"
          ? 100
          : takesRest({ size: self.size, end: self.end })
            ? 9001
            : 1000,
    defaultText: "EF02 first, then EF00, what takes the rest last",
    description: "Partitions are created in the order of this number, then by name.",
  }),
  flags: mkOption({
    type: listOf(choice(types.enum(FLAGS), NO_FLAGS)),
    default: [],
    internal: true,
    description: "Flags of parted(8), in a `table` of disko's: they say the type.",
  }),
  bootable: mkOption({
    type: types.bool,
    default: false,
    internal: true,
    description: "In a `table` of disko's: a vfat is the ESP; in an MBR the partition is the active one.",
  }),
  "fs-type": mkOption({
    type: types.nullOr(types.str),
    default: null,
    internal: true,
    description: "No effect: the content says it.",
  }),
  "part-type": refusedOption(
    {
      why: "nixfleet makes no extended and logical partitions",
      instead:
        'write type: "gpt" in place of the msdos table: it has room for 128 partitions, and a BIOS boots from it too',
    },
    ["primary"],
  ),
  alignment: mkOption({
    type: types.intBetween(0, 2048),
    default: 0,
    internal: true,
    description: "No effect: partitions are always aligned to 1M (2048 sectors).",
  }),
  hybrid: refusedOption({
    why: "nixfleet does not write a hybrid MBR: no firmware that boots Debian from a GPT needs one",
    instead: "remove it; UEFI boots from type EF00, a BIOS from type EF02",
  }),
  content: mkOption({ type: contentOption, default: null, description: "What the partition holds. null: nothing." }),
  ...refusedDevice,
  declaredAt: declaredAtOption,
});
