/** The Thunderbird mail program. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
