/** How disks are laid out. Names and nesting follow disko, so that its layouts work as they are written. */
import { CONTENT_TYPES, contentOptionNames } from "../layout/content.ts";
import { nodevOption } from "../layout/nodev.ts";
import { declaredAtOption } from "../layout/partition.ts";
import {
  choice,
  REFUSED_CONTENT,
  type Refusal,
  refusedDevice,
  refusedDevices,
  refusedHooks,
  refusedOption,
} from "../layout/refused.ts";
import { sizeType } from "../layout/size.ts";
import { partitionsType } from "../layout/table.ts";
import { mdadmOption, volumeGroupOption } from "../layout/volumes.ts";
import { attrsOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

const GPT = 'content: { type: "gpt", partitions: { root: { size: "100%", content: { … } } } }';

const WITHOUT_TABLE: Refusal = {
  why: "every disk needs a partition table",
  instead: `write it into a partition: ${GPT}`,
};

const MBR: Refusal = { why: "that is a table", instead: 'write type: "table" and format: "msdos"' };

/** What a disk without partitions would hold directly. */
function contentWithoutTable(): object {
  const names = contentOptionNames.filter((name) => name !== "type" && name !== "format");
  return Object.fromEntries(names.map((name) => [name, refusedOption(WITHOUT_TABLE, [[], {}])]));
}

const table = {
  type: mkOption({
    type: choice(types.enum(["gpt", "table"]), {
      ...{ msdos: MBR, mbr: MBR, ...REFUSED_CONTENT },
      ...Object.fromEntries(CONTENT_TYPES.map((type) => [type, WITHOUT_TABLE])),
    }),
    default: "gpt",
    description: "A `gpt`, or a `table` of disko's, with `format`.",
  }),
  ...contentWithoutTable(),
  ...refusedDevice,
  ...refusedHooks,
  format: mkOption({
    type: types.enum(["gpt", "msdos"]),
    default: "gpt",
    description: "Of a `table`: a `gpt`, or `msdos` for an MBR, which no BIOS boots from here.",
  }),
  efiGptPartitionFirst: mkOption({
    type: types.bool,
    default: true,
    internal: true,
    description: "No effect: it belongs to a hybrid MBR, which is refused.",
  }),
  partitions: mkOption({
    type: partitionsType,
    default: {},
    description: "The partitions, by name; or a list of them.",
  }),
} as const;

export const diskoOptions = {
  disko: {
    devices: {
      disk: mkOption({
        type: attrsOf(
          submodule({
            type: mkOption({ type: types.enum(["disk"]), default: "disk", internal: true }),
            name: mkOption({
              type: types.nullOr(types.str),
              default: null,
              description: "No effect.",
            }),
            device: mkOption({
              type: types.absolutePath,
              example: "/dev/vda",
              description: "The device. The command line may name another.",
            }),
            imageSize: mkOption({
              type: types.nullOr(sizeType),
              default: null,
              example: "8G",
              description: "The size of an image of the disk. null: --size on the command line.",
            }),
            imageName: refusedOption({ why: "the command line names the file of an image", instead: "remove it" }),
            destroy: mkOption({
              type: types.bool,
              default: true,
              description: "No effect: nixfleet erases only a disk that the command line names.",
            }),
            content: table,
            ...refusedHooks,
            declaredAt: declaredAtOption,
          }),
        ),
        default: {},
        description: "The disks, by a name of your choice.",
      }),
      mdadm: mdadmOption,
      lvm_vg: volumeGroupOption,
      nodev: nodevOption,
      ...refusedDevices,
    },
  },
} as const;
