/** What survives a boot. The names are those of the NixOS module `impermanence`. */
import { refusedOption } from "../layout/refused.ts";
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";
import { entryLists, methodOption, mountOptions, needless } from "./persistence-entries.ts";

/** What others have to be told of a user, `users.users` says here. */
const userLists = {
  ...entryLists,
  username: mkOption({
    type: types.nonEmptyStr,
    default: ({ name }) => name,
    defaultText: "the key",
    description: "The user whose entries these are.",
  }),
  home: mkOption({
    type: types.nullOr(types.absolutePath),
    default: null,
    description: "For compatibility with impermanence and preservation: the home in `users.users`, or null.",
  }),
  commonMountOptions: { ...mountOptions, description: "preservation's name for `mountOptions` of all these entries." },
} as const;

const root = {
  enable: mkOption({ type: types.bool, default: true, description: "Whether these entries count." }),
  persistentStoragePath: mkOption({
    type: types.absolutePath,
    default: ({ name }) => name,
    defaultText: "the key",
    example: "/persist/system",
    description: "The persist root: a mountpoint, or a folder on a mounted filesystem. If set, the key is only a name.",
  }),
  purpose: mkOption({
    type: types.str,
    default: "",
    example: "backed up every night",
    description: "What this persist root is for, in a few words.",
  }),
  hideMounts: mkOption({
    type: types.bool,
    default: false,
    description: "Whether file managers hide the bind mounts (mount option x-gvfs-hide).",
  }),
  allowTrash: mkOption({
    type: types.bool,
    default: false,
    description: "Whether file managers may put a trash folder on the bind mounts (mount option x-gvfs-trash).",
  }),
  mountOptions,
  allowOther: needless("no entry is mounted with FUSE."),
  defaultDirectoryMethod: { ...methodOption, description: "Home Manager's name for `how` of all its directories." },
  removePrefixDirectory: refusedOption(
    {
      why: "nixfleet links no dotfiles, so a path in the home is the same on the persist root",
      instead: "remove it, and write each path as it is in the home",
    },
    [false],
  ),
  enableWarnings: needless("`nixfleet check` always prints these warnings."),
  enableDebugging: needless("`nixfleet status` always shows what activation did."),
  commonMountOptions: { ...mountOptions, description: "preservation's name for `mountOptions`." },
  ...entryLists,
} as const;

export const persistenceOptions = {
  environment: {
    persistence: mkOption({
      type: attrsOf(
        submodule({
          ...root,
          users: mkOption({
            type: attrsOf(submodule(userLists)),
            default: {},
            description: "Entries of users, by user name. Paths are relative to the user's home.",
          }),
        }),
      ),
      default: {},
      description: "What survives a reboot, by persist root: the mountpoint where the data lives.",
    }),
  },
  home: {
    persistence: mkOption({
      type: attrsOf(submodule(root)),
      default: {},
      description:
        "What survives a reboot in the primary user's home, by persist root. Paths are relative to the home.",
    }),
  },
  nixfleet: {
    impermanence: {
      enable: mkEnableOption("the ephemeral root: every boot retires the root filesystem and creates a fresh one"),
      persistRoot: mkOption({
        type: types.absolutePath,
        default: "/persist",
        description: "The persist root of NixFleet's own entries.",
      }),
      ephemeral: mkOption({
        type: listOf(types.absolutePath),
        default: [],
        example: ["/var/lib/man-db"],
        description:
          "Paths whose contents may disappear at the next boot. `nixfleet check --built` does not list services that keep state there.",
      }),
      retentionDays: mkOption({
        type: types.intBetween(0, 36_500),
        default: 30,
        description: "Days to keep an old root after it was retired; at most a century.",
      }),
      keepNewest: mkOption({
        type: types.unsignedInt,
        default: 3,
        description: "How many of the newest old roots to keep, however old they are.",
      }),
      onFailure: mkOption({
        type: types.enum(["boot", "halt"]),
        default: "boot",
        description:
          "When the wipe fails: `boot` boots the previous root and says so on the console; `halt` halts the host.",
      }),
    },
  },
} as const;
