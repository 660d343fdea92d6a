/** Packages, files in /etc, and what the machine is called and where it stands. */
import { attrsOf, listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

export const environmentOptions = {
  environment: {
    systemPackages: mkOption({
      type: listOf(types.strMatching(/[a-z0-9][a-z0-9+.-]+/, "the name of a Debian package")),
      default: [],
      example: ["vim", "firefox-esr"],
      description: "Debian packages to install.",
    }),
    etc: mkOption({
      type: attrsOf(
        submodule({
          enable: mkOption({ type: types.bool, default: true, description: "Whether the file is there." }),
          text: mkOption({ type: types.nullOr(types.lines), default: null, description: "What the file says." }),
          target: mkOption({
            type: types.nullOr(types.nonEmptyStr),
            default: null,
            description: "Makes the file a symlink that says this.",
          }),
          mode: mkOption({
            type: types.strMatching(/0[0-7]{3}/, "an octal mode such as 0644"),
            default: "0644",
            description: "Mode, in octal; the owner is root.",
          }),
        }),
      ),
      default: {},
      example: { motd: { text: "hello" } },
      description: "Files in /etc, by their path below it.",
    }),
  },
  networking: {
    useDHCP: mkOption({
      type: types.bool,
      default: true,
      description: "Whether systemd-networkd configures every wired interface by DHCP.",
    }),
  },
  nixfleet: {
    debian: {
      suite: mkOption({
        type: types.strMatching(/[a-z][a-z0-9-]*/, "a Debian release such as trixie"),
        default: "trixie",
        description: "The Debian release that the host is assembled from.",
      }),
      archive: mkOption({
        type: listOf(types.strMatching(/deb(\s+\[[^\]\n]*\])?\s+\S+\s+\S+[^\n]*/, "a line of sources.list")),
        default: [],
        description:
          "Lines of sources.list; none: mmdebstrap's default for the release. A snapshot archive keeps old versions to be had.",
      }),
    },
  },
} as const;
