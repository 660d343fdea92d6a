/** The Thunderbird mail program. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const thunderbird = defineModule({
  options: { programs: { thunderbird: { enable: mkEnableOption("the Thunderbird mail program") } } },
  config: mkIf(({ programs }) => programs.thunderbird.enable, {
    environment: { systemPackages: ["thunderbird"] },
    home: {
      persistence: persisted({
        directories: [{ directory: ".thunderbird", mode: "0700", purpose: "Thunderbird's accounts and mail" }],
      }),
    },
  }),
});

export const thunderbirdOnNixos: OnNixos<ScopeConfig<typeof thunderbird>> = {
  enabled: ({ programs }) => programs.thunderbird.enable,
  options: () => ({ programs: { thunderbird: { enable: true } } }),
  packages: ["thunderbird"],
};
