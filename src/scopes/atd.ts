/** at: jobs that run once, later. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const atd = defineModule({
  options: { services: { atd: { enable: mkEnableOption("at: jobs that run once, later") } } },
  config: mkIf(({ services }) => services.atd.enable, {
    environment: {
      systemPackages: ["at"],
      persistence: persisted({
        directories: [
          { directory: "/var/spool/cron/atjobs", purpose: "at's jobs" },
          { directory: "/var/spool/cron/atspool", purpose: "the output of at's jobs that run" },
        ],
      }),
    },
  }),
});
