/** Packages, files in /etc, and what the machine is called and where it stands. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

/** Without `.`, `..` and a slash at its ends: it leads nowhere else. */
const OWN_PATH = /(?!\.{1,2}(\/|$))[^/\0\n]+(\/(?!\.{1,2}(\/|$))[^/\0\n]+)*/;

/** Something beside fleet.ts. */
export const ownPath = types.strMatching(OWN_PATH, "a path below the fleet's folder, such as files/app.conf");

/** A file that a declaration puts somewhere. */
const fileOptions = {
  enable: mkOption({ type: types.bool, default: true, description: "Whether the file is there." }),
  text: mkOption({ type: types.nullOr(types.lines), default: null, description: "What the file says." }),
  source: mkOption({
    type: types.nullOr(ownPath),
    default: null,
    example: "files/app.conf",
    description:
      "A file beside fleet.ts, or a folder with all that it holds, by its path from there. Links stay links; empty folders are left out.",
  }),
  target: mkOption({
    type: types.nullOr(types.nonEmptyStr),
    default: null,
    description: "Makes the file a symlink that says this.",
  }),
  mode: mkOption({
    type: types.nullOr(types.strMatching(/0[0-7]{3}/, "an octal mode such as 0644")),
    default: null,
    description:
      "Mode, in octal; the owner is root. null: 0644, or 0755 for a file of `source` that its owner may run.",
  }),
} as const;

export const environmentOptions = {
  environment: {
    systemPackages: mkOption({
      type: listOf(types.strMatching(/[a-z0-9][a-z0-9+.-]+/, "the name of a Debian package")),
      default: [],
      example: ["vim", "firefox-esr"],
      description: "Debian packages to install.",
    }),
    nixPackages: mkOption({
      type: attrsOf(types.nullOr(types.strMatching(/[A-Za-z0-9_.-]+( [A-Za-z0-9_.-]+)*/, "attributes of nixpkgs"))),
      default: {},
      example: { "my-tool": "myTool" },
      description:
        "What Debian packages are called in nixpkgs, for `nixfleet emit nixos`, where it does not know. null: the host does without it there.",
    }),
    etc: mkOption({
      type: attrsOf(submodule(fileOptions)),
      default: {},
      example: { motd: { text: "hello" }, "myapp/app.conf": { source: "files/app.conf" } },
      description: "Files in /etc, by path below /etc.",
    }),
    opt: mkOption({
      type: attrsOf(submodule(fileOptions)),
      default: {},
      example: { myapp: { source: "build/myapp" } },
      description:
        "Files and trees in /opt, by their path below it: software of your own that no Debian package brings.",
    }),
  },
  nixfleet: {
    runtime: {
      enable: mkOption({
        type: types.bool,
        default: false,
        description:
          "Node and the fleet's own programs in /etc/nixfleet/runtime. The agent and the control plane set it.",
      }),
    },
    debian: {
      suite: mkOption({
        type: types.strMatching(/[a-z][a-z0-9-]*/, "a Debian release such as trixie"),
        default: "trixie",
        description: "The Debian release to build the host from.",
      }),
      archive: mkOption({
        type: listOf(types.strMatching(/deb(\s+\[[^\]\n]*\])?\s+\S+\s+\S+[^\n]*/, "a line of sources.list")),
        default: [],
        description:
          "Lines of sources.list, besides Debian's own archives for the release. Those include security updates.",
      }),
      debs: mkOption({
        type: listOf(types.strMatching(OWN_PATH, "a path below the fleet's folder, such as debs/mytool_1.0_amd64.deb")),
        default: [],
        example: ["debs/mytool_1.0_amd64.deb"],
        description:
          "Package files of your own, by their path from fleet.ts: they are installed as they are, with what they depend on from the archives, and locked by their hash.",
      }),
      defaultArchive: mkOption({
        type: types.bool,
        default: true,
        description:
          "Whether to use Debian's own archives for the release. false: use only the lines of nixfleet.debian.archive, for example those of a snapshot, which keeps old versions available.",
      }),
    },
  },
} as const;
