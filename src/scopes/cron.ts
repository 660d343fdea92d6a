/** cron: jobs that run again and again. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const cron = defineModule({
  options: { services: { cron: { enable: mkEnableOption("cron: jobs that run again and again") } } },
  config: mkIf(({ services }) => services.cron.enable, {
    environment: {
      systemPackages: ["cron"],
      persistence: persisted({
        directories: [{ directory: "/var/spool/cron/crontabs", purpose: "the crontabs of users" }],
      }),
    },
  }),
});
