/** Printing, by CUPS. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const printing = defineModule(
  { options: { services: { printing: { enable: mkEnableOption("printing, by CUPS") } } } },
  mkIf(({ services }) => services.printing.enable, {
    environment: {
      systemPackages: ["cups", "cups-client"],
      persistence: persisted({
        directories: [
          { directory: "/etc/cups", purpose: "printers and CUPS's own settings, which it writes itself" },
          { directory: "/var/spool/cups", purpose: "what waits to be printed" },
        ],
      }),
    },
    users: { users: ({ hostSpec }) => ({ [hostSpec.userName]: { extraGroups: ["lpadmin"] } }) },
  }),
);
