/** GitHub's command line. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const gh = defineModule({
  options: { programs: { gh: { enable: mkEnableOption("GitHub's command line, gh") } } },
  config: mkIf(({ programs }) => programs.gh.enable, {
    environment: { systemPackages: ["gh"] },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".config/gh", mode: "0700", purpose: "gh's login and settings" },
          { directory: ".local/share/gh", purpose: "gh's extensions" },
        ],
      }),
    },
  }),
});

export const ghOnNixos: OnNixos<ScopeConfig<typeof gh>> = {
  // The package is all that there is to it.
  enabled: ({ programs }) => programs.gh.enable,
};
