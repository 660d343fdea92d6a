/** Updates of firmware. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const fwupd = defineModule({
  options: { services: { fwupd: { enable: mkEnableOption("firmware updates with fwupd") } } },
  config: mkIf(({ services }) => services.fwupd.enable, {
    environment: {
      systemPackages: ["fwupd"],
      persistence: persisted({
        directories: [{ directory: "/var/lib/fwupd", purpose: "pending and past firmware updates, and fwupd's keys" }],
      }),
    },
  }),
});

export const fwupdOnNixos: OnNixos<ScopeConfig<typeof fwupd>> = {
  enabled: ({ services }) => services.fwupd.enable,
  options: () => ({ services: { fwupd: { enable: true } } }),
  packages: ["fwupd"],
};
