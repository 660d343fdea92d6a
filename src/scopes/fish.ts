/** The fish shell. A user has it as his login shell by `users.users.<name>.shell`. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const fish = defineModule({
  options: { programs: { fish: { enable: mkEnableOption("the fish shell, /usr/bin/fish") } } },
  config: mkIf(({ programs }) => programs.fish.enable, {
    // Of man-db, which fish completes from: a file that says whether its index is made at all, in the package.
    nixfleet: { impermanence: { ephemeral: ["/var/lib/man-db"] } },
    environment: { systemPackages: ["fish"] },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".config/fish", purpose: "fish's configuration, universal variables and plugins" },
          { directory: ".local/share/fish", mode: "0700", purpose: "fish's history" },
        ],
      }),
    },
  }),
});
