/** The Z shell. A user has it as his login shell by `users.users.<name>.shell`. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
