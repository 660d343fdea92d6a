/** GitHub's command line. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
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
