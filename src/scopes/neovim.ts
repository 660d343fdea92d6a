/** The Neovim editor. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const neovim = defineModule({
  options: { programs: { neovim: { enable: mkEnableOption("the Neovim editor") } } },
  config: mkIf(({ programs }) => programs.neovim.enable, {
    environment: { systemPackages: ["neovim"] },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".config/nvim", purpose: "Neovim's configuration" },
          { directory: ".local/share/nvim", purpose: "Neovim's plugins" },
          { directory: ".local/state/nvim", mode: "0700", purpose: "Neovim's marks, histories and undo files" },
        ],
      }),
    },
  }),
});

export const neovimOnNixos: OnNixos<ScopeConfig<typeof neovim>> = {
  enabled: ({ programs }) => programs.neovim.enable,
  options: () => ({ programs: { neovim: { enable: true } } }),
  packages: ["neovim"],
};
