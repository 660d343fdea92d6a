/** The Chromium browser. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
