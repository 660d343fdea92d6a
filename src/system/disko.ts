/** How disks are laid out. Names and nesting follow disko, so that a layout can be carried over by hand. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

const mountpoint = mkOption({
  type: types.nullOr(types.absolutePath),
  default: null,
  description: "Where it is mounted; null: nowhere.",
});
const mountOptions = mkOption({
  type: listOf(types.strMatching(/[^\s,]+/, "one mount option, without commas or spaces")),
  default: [],
  example: ["noatime"],
  description: "Options of mount(8).",
});
const label = (longest: number) =>
  types.strMatching(
    new RegExp(`[A-Za-z0-9_.-]{1,${longest}}`),
    `a label of at most ${longest} letters, digits, \`_\`, \`.\` and \`-\``,
  );

const content = submodule({
  type: mkOption({
    type: types.enum(["filesystem", "btrfs"]),
    description: "`filesystem`: vfat, for the ESP. `btrfs`: a btrfs filesystem with subvolumes.",
  }),
  format: mkOption({ type: types.enum(["vfat"]), default: "vfat", description: "The format of a `filesystem`." }),
  label: mkOption({
    type: types.nullOr(label(255)),
    default: null,
    description: "The filesystem's label; null: the partition's name.",
  }),
  mountpoint,
  mountOptions,
  subvolumes: mkOption({
    type: attrsOf(
      submodule({
        mountpoint,
        mountOptions,
        neededForBoot: mkOption({
          type: types.bool,
          default: ({ config, self }) =>
            self.mountpoint === "/" ||
            self.mountpoint === "/nix" ||
            Object.hasOwn(config.environment.persistence, self.mountpoint ?? ""),
          defaultText: "true for /, /nix and persist roots",
          description: "Whether the initrd mounts it, before the real root starts.",
        }),
      }),
    ),
    default: {},
    description: "The subvolumes of a `btrfs`, by name.",
  }),
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
            content: {
              type: mkOption({
                type: types.enum(["gpt"]),
                default: "gpt",
                description: "The kind of partition table.",
              }),
              partitions: mkOption({
                type: attrsOf(
                  submodule({
                    size: mkOption({
                      type: types.strMatching(/[1-9][0-9]*[KMGT]|100%/, "a size such as 512M, or 100% for the rest"),
                      description: "The size in powers of 1024, or `100%`: the rest of the disk.",
                    }),
                    type: mkOption({
                      type: types.enum(["EF00", "8300"]),
                      default: "8300",
                      description: "EF00: an EFI system partition; 8300: Linux data.",
                    }),
                    priority: mkOption({
                      type: types.int,
                      default: ({ self }) => (self.type === "EF00" ? 100 : self.size === "100%" ? 9001 : 1000),
                      defaultText: "an ESP first, `100%` last",
                      description: "Partitions are made in the order of this number, then of their names.",
                    }),
                    content: mkOption({ type: content, description: "What the partition holds." }),
                  }),
                ),
                default: {},
                description: "The partitions, by name.",
              }),
            },
          }),
        ),
        default: {},
        description: "The disks, by a name of your choice.",
      }),
    },
  },
} as const;
