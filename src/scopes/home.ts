/** The primary user's own files, in the folders that desktops know (xdg-user-dirs). */
import { attrsOf } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkDefault, mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";

const STANDARD = {
  DESKTOP: "Desktop",
  DOCUMENTS: "Documents",
  DOWNLOAD: "Downloads",
  MUSIC: "Music",
  PICTURES: "Pictures",
  PUBLICSHARE: "Public",
  TEMPLATES: "Templates",
  VIDEOS: "Videos",
} as const;

export const home = defineModule(
  {
    options: {
      nixfleet: {
        home: {
          enable: mkEnableOption("folders in the home for a person's own files: documents, pictures and so on"),
          folders: mkOption({
            type: attrsOf(types.strMatching(/[^/"\\$`\n]+(\/[^/"\\$`\n]+)*/, "a path in the home, such as Documents")),
            default: STANDARD,
            description: "The folders, keyed by their names in user-dirs.dirs.",
          }),
        },
      },
    },
  },
  mkIf(({ nixfleet }) => nixfleet.home.enable, {
    environment: {
      systemPackages: ["xdg-user-dirs"],
      etc: {
        // Otherwise each login makes such folders in the language of the session, and they are gone at the next boot.
        "xdg/user-dirs.conf": { text: "enabled=False" },
        "skel/.config/user-dirs.dirs": {
          text: ({ nixfleet }) =>
            Object.entries(nixfleet.home.folders)
              .map(([name, folder]) => `XDG_${name}_DIR="$HOME/${folder}"`)
              .join("\n"),
        },
      },
    },
    home: {
      persistence: ({ nixfleet }) => {
        const { enable, persistRoot } = nixfleet.impermanence;
        if (!enable) return {};
        const folders = [...new Set(Object.values(nixfleet.home.folders))];
        return {
          [persistRoot]: {
            // What is deleted in a file manager goes to a trash folder on its own mount.
            allowTrash: mkDefault(true),
            directories: folders.map((directory) => ({ directory, purpose: "the person's own files" })),
          },
        };
      },
    },
  }),
);

export const homeOnNixos: OnNixos<ScopeConfig<typeof home>> = {
  enabled: ({ nixfleet }) => nixfleet.home.enable,
  etc: /^skel\/\.config\/user-dirs\.dirs$/,
  lost: () => [
    "new homes have no .config/user-dirs.dirs, since NixOS fills none from /etc/skel: a desktop then goes by its own names of folders",
  ],
};
