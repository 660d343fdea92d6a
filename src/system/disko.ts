/** How disks are laid out. Names and nesting follow disko, so that a layout can be carried over by hand. */
import { contentOption } from "../layout/content.ts";
import { sizeType } from "../layout/size.ts";
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

/** Where it is declared, for errors. */
const declaredAt = mkOption({
  type: listOf(types.str),
  internal: true,
  default: ({ places }) => places.map((place) => place.text),
});

const partition = submodule({
  size: mkOption({
    type: types.strMatching(/[1-9][0-9]*[KMGT]|100%/, "a size such as 512M, or 100% for the rest"),
    description: "The size in powers of 1024, or `100%`: the rest of the disk.",
  }),
  type: mkOption({
    type: types.enum(["EF00", "EF02", "8200", "8300"]),
    default: "8300",
    description: "EF00: an EFI system partition; EF02: for GRUB on a BIOS; 8200: swap; 8300: Linux data.",
  }),
  label: mkOption({
    type: types.nullOr(types.str),
    default: null,
    description: "Its name in the partition table; null: its name here.",
  }),
  priority: mkOption({
    type: types.int,
    default: ({ self }) =>
      self.type === "EF02" ? 99 : self.type === "EF00" ? 100 : self.size === "100%" ? 9001 : 1000,
    defaultText: "EF02 first, then EF00, `100%` last",
    description: "Partitions are made in the order of this number, then of their names.",
  }),
  content: mkOption({ type: contentOption, default: null, description: "What the partition holds; null: nothing." }),
  declaredAt,
});

export const diskoOptions = {
  disko: {
    devices: {
      disk: mkOption({
        type: attrsOf(
          submodule({
            device: mkOption({
              type: types.absolutePath,
              example: "/dev/vda",
              description: "The device, unless the command line names another.",
            }),
            imageSize: mkOption({
              type: types.nullOr(sizeType),
              default: null,
              example: "8G",
              description: "The size of an image of the disk; null: the command line's.",
            }),
            content: {
              type: mkOption({
                type: types.enum(["gpt"]),
                default: "gpt",
                description: "The kind of partition table.",
              }),
              partitions: mkOption({
                type: attrsOf(partition),
                default: {},
                description: "The partitions, by name.",
              }),
            },
            declaredAt,
          }),
        ),
        default: {},
        description: "The disks, by a name of your choice.",
      }),
    },
  },
} as const;
