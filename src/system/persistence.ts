/** What survives a boot. The names are those of the NixOS module `impermanence`. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

const mode = types.strMatching(/0?[0-7]{3}|[0-7]{4}/, "an octal mode such as 0755");
const mountOptions = mkOption({
  type: listOf(types.strMatching(/[^\s,]+/, "one mount option, without commas or spaces")),
  default: [],
  example: ["noexec"],
  description: "Further options of mount(8) for the bind mounts.",
});

const parent = mkOption({
  type: submodule({
    user: mkOption({
      type: types.nullOr(types.nonEmptyStr),
      default: null,
      description: "Owner; null: root, or the user inside a home.",
    }),
    group: mkOption({
      type: types.nullOr(types.nonEmptyStr),
      default: null,
      description: "Group; null: that of the owner.",
    }),
    mode: mkOption({ type: types.nullOr(mode), default: null, description: "Mode, in octal; null: 0755." }),
  }),
  default: {},
  description: "Whose the folder above the entry is, if it has to be made.",
});

const common = {
  user: mkOption({
    type: types.nullOr(types.nonEmptyStr),
    default: null,
    description: "Owner; null: root, or as the packages ship it; in a home its user.",
  }),
  group: mkOption({ type: types.nullOr(types.nonEmptyStr), default: null, description: "Group; null: the owner's." }),
  parent,
  mountOptions,
  purpose: mkOption({
    type: types.str,
    default: "",
    description: "What is kept there, in a few words, for the documentation and the plan.",
  }),
  declaredAt: mkOption({
    type: listOf(types.str),
    internal: true,
    default: ({ places }) => places.map((place) => place.text),
  }),
} as const;

const directory = submodule({
  ...common,
  directory: mkOption({
    type: types.nonEmptyStr,
    example: "/var/lib/docker",
    description: "The path on the running host.",
  }),
  mode: mkOption({
    type: types.nullOr(mode),
    default: null,
    defaultText: "0755",
    description: "Mode, in octal, when it has to be made; null: 0755, or as the packages ship it.",
  }),
  how: mkOption({
    type: types.enum(["bind", "symlink"]),
    default: "bind",
    description: "A bind mount, or a symlink to the persist root.",
  }),
});

const file = submodule({
  ...common,
  file: mkOption({ type: types.nonEmptyStr, example: "/etc/machine-id", description: "The path on the running host." }),
  mode: mkOption({
    type: types.nullOr(mode),
    default: null,
    defaultText: "0644",
    description: "Mode, in octal, when it has to be made; null: 0644, or as the packages ship it.",
  }),
  how: mkOption({
    type: types.enum(["auto", "bind", "symlink"]),
    default: "auto",
    description:
      "`symlink`: a link to the persist root; a program may replace it by a new file, which is then kept in its place. `bind`: a bind mount of a file that is made empty if need be, for programs that want no link; nothing can be renamed over it. `auto`: the one that suits most programs, a link.",
  }),
});

const entries = {
  directories: mkOption({
    type: listOf(types.coercedTo(types.str, (path) => ({ directory: path }), directory)),
    default: [],
    example: ["/var/lib/docker"],
    description: "Directories that survive. A string, or an object with the options below.",
  }),
  files: mkOption({
    type: listOf(types.coercedTo(types.str, (path) => ({ file: path }), file)),
    default: [],
    example: ["/etc/machine-id"],
    description: "Files that survive. A string, or an object with the options below.",
  }),
} as const;

const root = {
  enable: mkOption({ type: types.bool, default: true, description: "Whether these entries count." }),
  hideMounts: mkOption({
    type: types.bool,
    default: false,
    description: "Whether file managers leave the bind mounts out (mount option x-gvfs-hide).",
  }),
  allowTrash: mkOption({
    type: types.bool,
    default: false,
    description: "Whether file managers may put a trash folder on the bind mounts (mount option x-gvfs-trash).",
  }),
  mountOptions,
  ...entries,
} as const;

export const persistenceOptions = {
  environment: {
    persistence: mkOption({
      type: attrsOf(
        submodule({
          ...root,
          users: mkOption({
            type: attrsOf(submodule(entries)),
            default: {},
            description: "Entries of users, by user name; their paths are relative to the user's home.",
          }),
        }),
      ),
      default: {},
      description: "What survives, by persist root: the mountpoint where the data lives.",
    }),
  },
  home: {
    persistence: mkOption({
      type: attrsOf(submodule(root)),
      default: {},
      description: "What survives in the primary user's home, by persist root; paths are relative to the home.",
    }),
  },
  nixfleet: {
    impermanence: {
      enable: mkEnableOption("the ephemeral root: on every boot the root filesystem is retired and a fresh one made"),
      persistRoot: mkOption({
        type: types.absolutePath,
        default: "/persist",
        description: "Where the framework's own entries live.",
      }),
      ephemeral: mkOption({
        type: listOf(types.absolutePath),
        default: [],
        example: ["/var/lib/man-db"],
        description:
          "Paths that may go at the next boot, with all below them: `nixfleet check --built` does not list their services.",
      }),
      retentionDays: mkOption({
        type: types.intBetween(0, 36_500),
        default: 30,
        description: "Old roots are deleted when they were retired longer ago, in days: at most a century.",
      }),
      keepNewest: mkOption({
        type: types.unsignedInt,
        default: 3,
        description: "This many of the newest old roots are kept however old they are.",
      }),
      onFailure: mkOption({
        type: types.enum(["boot", "halt"]),
        default: "boot",
        description: "When the wipe fails: boot the previous root, loudly, or halt.",
      }),
    },
  },
} as const;
