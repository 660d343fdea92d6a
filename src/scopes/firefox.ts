/** The Firefox browser. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
