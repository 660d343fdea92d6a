/** The Firefox browser. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import { nixPackage, type OnNixos, type ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const firefox = defineModule({
  options: { programs: { firefox: { enable: mkEnableOption("the Firefox browser") } } },
  config: mkIf(({ programs }) => programs.firefox.enable, {
    environment: { systemPackages: ["firefox-esr"] },
    home: {
      // Today's Firefox prefers .config/mozilla, but not where there is a .mozilla, as this mount point makes it.
      persistence: persisted({
        directories: [{ directory: ".mozilla/firefox", mode: "0700", purpose: "Firefox's profiles" }],
      }),
    },
  }),
});

export const firefoxOnNixos: OnNixos<ScopeConfig<typeof firefox>> = {
  enabled: ({ programs }) => programs.firefox.enable,
  options: () => ({ programs: { firefox: { enable: true, package: nixPackage("firefox-esr") } } }),
  packages: ["firefox-esr"],
};
