/** What stands beside `disk`: arrays of mdadm and volume groups of LVM, of which partitions are parts. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { CONTENT_TYPES, contentOption, contentOptions } from "./content.ts";
import { declaredAtOption, partitionType } from "./partition.ts";
import { choice, REFUSED_CONTENT, type Refusal, refusedHooks } from "./refused.ts";
import { THIN_POOL } from "./volume-group.ts";

const FIRMWARE: Refusal = {
  why: "that is an array of the firmware's, which the host does not assemble",
  instead: "remove metadata",
};

const common = {
  name: mkOption({ type: types.nullOr(types.str), default: null, description: "No effect: the name is the key." }),
  ...refusedHooks,
  declaredAt: declaredAtOption,
} as const;

const arrayContent = types.nullOr(
  submodule({
    ...contentOptions,
    type: mkOption({
      type: choice(types.enum(["gpt", ...CONTENT_TYPES]), REFUSED_CONTENT),
      description: "What the array holds: a partition table (`gpt`), or what a partition can hold.",
    }),
    partitions: mkOption({
      type: attrsOf(partitionType),
      default: {},
      description: "The partitions of a `gpt`, by name.",
    }),
  }),
);

export const mdadmOption = mkOption({
  type: attrsOf(
    submodule({
      ...common,
      type: mkOption({ type: types.enum(["mdadm"]), default: "mdadm", internal: true }),
      level: mkOption({
        type: types.unsignedInt,
        default: 1,
        description: "The level of the array: 0, 1, 4, 5, 6 or 10.",
      }),
      metadata: mkOption({
        type: choice(types.enum(["1", "1.0", "1.1", "1.2", "default"]), { ddf: FIRMWARE, imsm: FIRMWARE }),
        default: "default",
        description: "Which metadata mdadm writes.",
      }),
      extraArgs: mkOption({
        type: listOf(types.nonEmptyStr),
        default: [],
        example: ["--assume-clean"],
        description: "More arguments of `mdadm --create`.",
      }),
      content: mkOption({ type: arrayContent, default: null, description: "What the array holds. null: nothing." }),
    }),
  ),
  default: {},
  description: "Arrays of mdadm, by name. A partition with the content `mdraid` is a part of one.",
});

const LVM_TYPES = [
  ...["linear", "striped", "mirror", "raid0", "raid1", "raid4", "raid5", "raid6", "raid10"],
  ...[THIN_POOL, "thinlv", "thin"],
] as const;

export const volumeGroupOption = mkOption({
  type: attrsOf(
    submodule({
      ...common,
      type: mkOption({ type: types.enum(["lvm_vg"]), default: "lvm_vg", internal: true }),
      lvs: mkOption({
        type: attrsOf(
          submodule({
            name: mkOption({ type: types.nullOr(types.str), default: null, description: "The name. null: the key." }),
            size: mkOption({
              type: types.strMatching(
                /(?=.*[1-9])([0-9]+(\.[0-9]+)?[KMGTP](iB)?|([0-9]{1,2}|100)%(FREE|VG|PVS)?)/,
                "a size such as 8G, or a part such as 100%FREE or 50%VG",
              ),
              example: "100%FREE",
              description:
                "The size: `8G`, a part of the volume group (`50%VG`), or of what is free in it (`100%FREE`).",
            }),
            priority: mkOption({
              type: types.int,
              default: ({ self }) => (self.lvm_type === THIN_POOL ? 501 : self.size.includes("%") ? 9001 : 1000),
              defaultText: "thin pools first, what is in percent last",
              description: "Volumes are created in the order of this number, then by name.",
            }),
            lvm_type: mkOption({
              type: types.nullOr(types.enum(LVM_TYPES)),
              default: null,
              example: "raid1",
              description: "The type: lvcreate(8), `--type`. A `thinlv` is in a `thin-pool`. null: linear.",
            }),
            pool: mkOption({
              type: types.nullOr(types.str),
              default: null,
              description: "The thin pool that a `thinlv` is in.",
            }),
            extraArgs: mkOption({
              type: listOf(types.nonEmptyStr),
              default: [],
              description: "More arguments of lvcreate(8).",
            }),
            content: mkOption({ type: contentOption, default: null, description: "What it holds. null: nothing." }),
            ...refusedHooks,
          }),
        ),
        default: {},
        description: "The logical volumes, by name.",
      }),
    }),
  ),
  default: {},
  description: "Volume groups of LVM, by name. A partition with the content `lvm_pv` is a part of one.",
});

export type DeclaredArrays = ConfigOf<{ readonly mdadm: typeof mdadmOption }>["mdadm"];
export type DeclaredGroups = ConfigOf<{ readonly lvm_vg: typeof volumeGroupOption }>["lvm_vg"];
export type DeclaredArray = DeclaredArrays[string];
export type DeclaredGroup = DeclaredGroups[string];
