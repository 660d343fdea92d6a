/** The fish shell. A user has it as his login shell by `users.users.<name>.shell`. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
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

export const fishOnNixos: OnNixos<ScopeConfig<typeof fish>> = {
  enabled: ({ programs }) => programs.fish.enable,
  options: () => ({ programs: { fish: { enable: true } } }),
  packages: ["fish"],
};
