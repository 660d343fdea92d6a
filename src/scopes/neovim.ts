/** The Neovim editor. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
