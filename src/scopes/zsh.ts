/** The Z shell. A user has it as his login shell by `users.users.<name>.shell`. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const zsh = defineModule({
  options: { programs: { zsh: { enable: mkEnableOption("the Z shell, /usr/bin/zsh") } } },
  config: mkIf(({ programs }) => programs.zsh.enable, {
    environment: {
      systemPackages: ["zsh"],
      etc: {
        // The one file that every zsh reads. Single files in the home would not survive being replaced: these are folders.
        "zsh/zshenv": {
          text: [
            'if [[ -z "$PATH" || "$PATH" == "/bin:/usr/bin" ]]; then',
            '  export PATH="/usr/local/bin:/usr/bin:/bin:/usr/games"',
            "fi",
            'ZDOTDIR="$HOME/.config/zsh"',
            'HISTFILE="$HOME/.local/state/zsh/history"',
            "HISTSIZE=10000",
            "SAVEHIST=10000",
          ].join("\n"),
        },
      },
    },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".config/zsh", purpose: "zsh's configuration (.zshrc) and plugins" },
          { directory: ".local/state/zsh", mode: "0700", purpose: "zsh's history" },
        ],
      }),
    },
  }),
});

export const zshOnNixos: OnNixos<ScopeConfig<typeof zsh>> = {
  enabled: ({ programs }) => programs.zsh.enable,
  options: () => ({
    programs: {
      zsh: {
        enable: true,
        histFile: "$HOME/.local/state/zsh/history",
        histSize: 10000,
        shellInit: 'ZDOTDIR="$HOME/.config/zsh"',
      },
    },
  }),
  packages: ["zsh"],
  etc: /^zsh\/zshenv$/,
};
