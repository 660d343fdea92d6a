/** The contents `mdraid` and `lvm_pv`: a part of an array or of a volume group that is declared beside the disks. */
import { UserError } from "../errors.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";
import { type ContentType, MADE_ELSEWHERE } from "./content-type.ts";
import { MIB } from "./size.ts";

/** It is in a plan only if there is no such array or group: src/plan/volumes.ts puts those in its place. */
export interface PartContent {
  readonly kind: "part";
  readonly of: "mdadm" | "lvm_vg";
  /** Its key there. */
  readonly name: string;
}

export const nameOption = mkOption({
  type: types.nullOr(types.str),
  default: null,
  example: "crypted",
  description:
    "The host opens a `luks` as `/dev/mapper/<name>`; null: the partition's name. Of an `mdraid`: its array, by the key in `disko.devices.mdadm`.",
});

const vgOption = mkOption({
  type: types.nullOr(types.str),
  default: null,
  example: "pool",
  description: "The volume group that an `lvm_pv` belongs to, by its key in `disko.devices.lvm_vg`.",
});

/** Where the part of an array, or of a group, says which. */
const OPTION = { mdadm: "name", lvm_vg: "vg" } as const;

const EXAMPLE = {
  mdadm: "{ level: 1, content: { … } }",
  lvm_vg: '{ lvs: { root: { size: "100%FREE", content: { … } } } }',
} as const;

export const part: ContentType<PartContent> = {
  options: {},
  signature: () => null,
  minimum: () => MIB,
  problems: ({ of, name }) => [
    {
      option: OPTION[of],
      what: `there is no disko.devices.${of}.${name}`,
      fix: `declare it beside disk: ${of}: { ${JSON.stringify(name)}: ${EXAMPLE[of]} }`,
    },
  ],
  ...MADE_ELSEWHERE,
  describe: () => [],
};

export const mdraid = { ...part, options: { name: nameOption } } as const;
export const lvmPv = { ...part, options: { vg: vgOption } } as const;

/** @throws UserError for one of nothing */
export function partContent(of: PartContent["of"], name: string | null): PartContent {
  if (name !== null) return { kind: "part", of, name };
  const option = OPTION[of];
  throw new UserError(`${option} is missing`, [`add ${option}: its key in disko.devices.${of}`]);
}
