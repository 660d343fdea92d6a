/** Printing, by CUPS. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const printing = defineModule(
  { options: { services: { printing: { enable: mkEnableOption("printing with CUPS") } } } },
  mkIf(({ services }) => services.printing.enable, {
    environment: {
      systemPackages: ["cups", "cups-client"],
      persistence: persisted({
        directories: [
          { directory: "/etc/cups", purpose: "printers and settings, which CUPS writes itself" },
          { directory: "/var/spool/cups", purpose: "queued print jobs" },
        ],
      }),
    },
    users: { users: ({ hostSpec }) => ({ [hostSpec.userName]: { extraGroups: ["lpadmin"] } }) },
  }),
);

export const printingOnNixos: OnNixos<ScopeConfig<typeof printing>> = {
  enabled: ({ services }) => services.printing.enable,
  options: () => ({ services: { printing: { enable: true } } }),
  packages: ["cups", "cups-client"],
  // /etc/cups is a link to it.
  paths: () => ({ "/etc/cups": { path: "/var/lib/cups" }, "/var/spool/cups": { group: "lp", mode: "0710" } }),
  groups: { lpadmin: null },
  lost: () => ["who may manage printers is in the group wheel; there is no lpadmin"],
};
