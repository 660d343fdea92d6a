/** The Chromium browser. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const chromium = defineModule({
  options: { programs: { chromium: { enable: mkEnableOption("the Chromium browser") } } },
  config: mkIf(({ programs }) => programs.chromium.enable, {
    environment: { systemPackages: ["chromium"] },
    home: {
      persistence: persisted({
        directories: [{ directory: ".config/chromium", mode: "0700", purpose: "Chromium's profiles" }],
      }),
    },
  }),
});

export const chromiumOnNixos: OnNixos<ScopeConfig<typeof chromium>> = {
  // programs.chromium of NixOS only writes policies; the package is one of environment.systemPackages.
  enabled: ({ programs }) => programs.chromium.enable,
};
