/** The shell, and the tools that everybody expects at a prompt. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";

export const base = defineModule(
  {
    options: {
      nixfleet: { base: { enable: mkEnableOption("the tools that everybody expects at a prompt, with their state") } },
    },
  },
  mkIf(({ nixfleet }) => nixfleet.base.enable, {
    environment: {
      systemPackages: [
        "bash-completion",
        "ca-certificates",
        "curl",
        "git",
        "gnupg",
        "iproute2",
        "iputils-ping",
        "less",
        "openssh-client",
        "procps",
        "sudo",
        "tmux",
        "vim",
      ],
      // A folder survives a program that saves by renaming a new file over the old one; a single file may not.
      etc: {
        "profile.d/nixfleet-history.sh": {
          text: 'HISTFILE="$HOME/.local/state/bash/history"\nexport HISTFILE',
        },
      },
    },
    users: { users: ({ hostSpec }) => ({ [hostSpec.userName]: { extraGroups: ["sudo"] } }) },
    home: {
      persistence: mkIf(
        ({ nixfleet }) => nixfleet.impermanence.enable,
        ({ nixfleet }) => ({
          [nixfleet.impermanence.persistRoot]: {
            directories: [
              { directory: ".local/state/bash", mode: "0700", purpose: "the shell's history" },
              { directory: ".config/git", purpose: "git's configuration" },
              { directory: ".gnupg", mode: "0700", purpose: "GnuPG's keys and trust" },
              { directory: ".local/state/vim", purpose: "vim's undo files and marks" },
              { directory: ".vim", purpose: "vim's configuration and plugins" },
            ],
          },
        }),
      ),
    },
  }),
);
