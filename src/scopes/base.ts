/** The shell, and the tools that everybody expects at a prompt. */

import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import { NixCode, type OnNixos, type ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const base = defineModule(
  {
    options: {
      nixfleet: {
        base: {
          enable: mkEnableOption("the usual command-line tools, with their state"),
          administrator: mkOption({
            type: types.bool,
            default: true,
            description: "Whether the primary user may become root with sudo.",
          }),
        },
      },
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
        "profile.d/nixfleet-state.sh": {
          text: [
            'if [ -d "$HOME/.local/state/bash" ]; then export HISTFILE="$HOME/.local/state/bash/history"; fi',
            'if [ -d "$HOME/.local/state/less" ]; then export LESSHISTFILE="$HOME/.local/state/less/history"; fi',
          ].join("\n"),
        },
        "vim/vimrc.local": {
          text: [
            "if isdirectory(expand('~/.local/state/vim'))",
            "  let &viminfofile = expand('~/.local/state/vim/viminfo')",
            "  let &undodir = expand('~/.local/state/vim')",
            "endif",
          ].join("\n"),
        },
      },
      persistence: persisted({
        directories: [{ directory: "/var/lib/sudo", mode: "0700", purpose: "which users have seen sudo's lecture" }],
      }),
    },
    users: {
      users: ({ hostSpec, nixfleet }) => ({
        [hostSpec.userName]: { extraGroups: nixfleet.base.administrator ? ["sudo"] : [] },
      }),
    },
    systemd: {
      services: mkIf(({ nixfleet }) => nixfleet.impermanence.enable, {
        "nixfleet-git": {
          description: "Create git's configuration files in .config/git, so that git writes there",
          wantedBy: ["multi-user.target"],
          before: ["ssh.service", "systemd-user-sessions.service"],
          serviceConfig: {
            Type: "oneshot",
            User: ({ hostSpec }) => hostSpec.userName,
            WorkingDirectory: "~",
            UMask: "0077",
            ExecStart: "/usr/bin/touch .config/git/config .config/git/credentials",
          },
        },
      }),
    },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".local/state/bash", mode: "0700", purpose: "the shell's history" },
          {
            directory: ".config/git",
            mode: "0700",
            purpose: "git's configuration and stored credentials",
          },
          { directory: ".gnupg", mode: "0700", purpose: "GnuPG's keys and trust" },
          { directory: ".local/state/less", mode: "0700", purpose: "less's search history" },
          { directory: ".config/tmux", purpose: "tmux's configuration and plugins" },
          { directory: ".local/state/vim", mode: "0700", purpose: "vim's marks, histories and undo files" },
          { directory: ".vim", purpose: "vim's configuration and plugins" },
        ],
      }),
    },
  }),
);

export const baseOnNixos: OnNixos<ScopeConfig<typeof base>> = {
  enabled: ({ nixfleet }) => nixfleet.base.enable,
  options: ({ hostSpec, nixfleet, environment }) => ({
    environment: { extraInit: environment.etc["profile.d/nixfleet-state.sh"]?.text ?? "" },
    ...(nixfleet.impermanence.enable
      ? {
          systemd: {
            services: {
              "nixfleet-git": {
                description: "Create git's configuration files in .config/git, so that git writes there",
                wantedBy: ["multi-user.target"],
                before: ["sshd.service", "systemd-user-sessions.service"],
                serviceConfig: {
                  Type: "oneshot",
                  User: hostSpec.userName,
                  WorkingDirectory: "~",
                  UMask: "0077",
                  ExecStart: new NixCode(`"\${pkgs.coreutils}/bin/touch .config/git/config .config/git/credentials"`),
                },
              },
            },
          },
        }
      : {}),
  }),
  etc: /^(profile\.d\/nixfleet-state\.sh|vim\/vimrc\.local)$/,
  units: /^nixfleet-git$/,
  paths: () => ({ "/var/lib/sudo": { path: "/var/db/sudo/lectured" } }),
  lost: () => [
    "vim keeps its marks and undo files elsewhere than in .local/state/vim, which persists: say so in .vim/vimrc",
  ],
};
