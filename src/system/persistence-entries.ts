/** What can be said of one entry. */
import { listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

/** `0750`, `750`, or as chmod(1) takes it: `u=rwx,g=rx,o=`. */
const mode = types.strMatching(
  /0?[0-7]{3}|[0-7]{4}|[ugoa]*([-+=][rwxst]*)+(,[ugoa]*([-+=][rwxst]*)+)*/,
  "a mode such as 0755 or u=rwx,g=rx,o=",
);
export const mountOptions = mkOption({
  type: listOf(types.strMatching(/[^\s,]+/, "one mount option, without commas or spaces")),
  default: [],
  example: ["noexec"],
  description: "More options of mount(8) for the bind mounts.",
});

const parent = mkOption({
  type: submodule({
    user: mkOption({
      type: types.nullOr(types.nonEmptyStr),
      default: null,
      description: "Owner. null: root, or in a home its user.",
    }),
    group: mkOption({
      type: types.nullOr(types.nonEmptyStr),
      default: null,
      description: "Group. null: the owner's primary group.",
    }),
    mode: mkOption({
      type: types.nullOr(mode),
      default: null,
      description: "Mode. null: as the packages ship it, else 0700 for a home and 0755 elsewhere.",
    }),
  }),
  default: {},
  description: "Owner and mode of the folder above the entry, if it has to be created.",
});

/** What other modules have to be told, and is so here anyway. */
export const needless = (why: string) =>
  mkOption({ type: types.nullOr(types.bool), default: null, description: `No effect: ${why}` });

const common = {
  enable: mkOption({
    type: types.bool,
    default: true,
    description: "false: this path does not persist, even if NixFleet or another module declares it.",
  }),
  user: mkOption({
    type: types.nullOr(types.nonEmptyStr),
    default: null,
    description: "Owner. null: as the packages ship it, else root; in a home its user.",
  }),
  group: mkOption({
    type: types.nullOr(types.nonEmptyStr),
    default: null,
    description: "Group. null: the owner's primary group.",
  }),
  parent,
  parentDirectory: { ...parent, description: "impermanence's name for `parent`." },
  inInitrd: needless("the initrd places every entry."),
  configureParent: needless("`parent` decides."),
  createLinkTarget: needless("a linked folder is always created, and a linked file when a program writes to it."),
  mountOptions,
  purpose: mkOption({
    type: types.str,
    default: "",
    description: "What is kept there, in a few words; `nixfleet plan` and the documentation show it.",
  }),
  declaredAt: mkOption({
    type: listOf(types.str),
    internal: true,
    default: ({ places }) => places.map((place) => place.text),
  }),
} as const;

/** Home Manager's words for `how`. */
export const methodOption = mkOption({
  type: types.nullOr(types.enum(["bindfs", "symlink"])),
  default: null,
  description: "Home Manager's name for `how`: `bindfs` is a bind mount, without FUSE.",
});

const directory = submodule({
  ...common,
  method: methodOption,
  directory: mkOption({
    type: types.nonEmptyStr,
    example: "/var/lib/docker",
    description: "The path on the running host.",
  }),
  mode: mkOption({
    type: types.nullOr(mode),
    default: null,
    defaultText: "0755",
    description: "Mode, if it has to be created. null: as the packages ship it, else 0755.",
  }),
  how: mkOption({
    type: types.nullOr(types.enum(["bind", "bindmount", "symlink"])),
    default: null,
    defaultText: "bind",
    description: "A bind mount (`bind` or `bindmount`), or a symlink to the persist root.",
  }),
});

const file = submodule({
  ...common,
  file: mkOption({ type: types.nonEmptyStr, example: "/etc/machine-id", description: "The path on the running host." }),
  mode: mkOption({
    type: types.nullOr(mode),
    default: null,
    defaultText: "0644",
    description: "Mode, if it has to be created. null: as the packages ship it, else 0644.",
  }),
  how: mkOption({
    type: types.nullOr(types.enum(["auto", "bind", "bindmount", "symlink"])),
    default: null,
    defaultText: "auto",
    description:
      "`symlink`: a link to the persist root. A program may replace the link with a new file; the next boot moves that file to the persist root. `bind`: a bind mount of a file, which is created empty if missing. It suits programs that refuse links, but nothing can be renamed over it. `auto`: a link, which suits most programs.",
  }),
});

export const entryLists = {
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
