/** at: jobs that run once, later. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const atd = defineModule({
  options: { services: { atd: { enable: mkEnableOption("at, which runs a job once at a later time") } } },
  config: mkIf(({ services }) => services.atd.enable, {
    environment: {
      systemPackages: ["at"],
      persistence: persisted({
        directories: [
          { directory: "/var/spool/cron/atjobs", purpose: "at's jobs" },
          { directory: "/var/spool/cron/atspool", purpose: "the output of running at jobs" },
        ],
      }),
    },
  }),
});

export const atdOnNixos: OnNixos<ScopeConfig<typeof atd>> = {
  enabled: ({ services }) => services.atd.enable,
  options: () => ({ services: { atd: { enable: true } } }),
  packages: ["at"],
  paths: () => ({
    "/var/spool/cron/atjobs": { path: "/var/spool/atjobs", user: "atd", group: "atd", mode: "1770" },
    "/var/spool/cron/atspool": { path: "/var/spool/atspool", user: "atd", group: "atd", mode: "1770" },
  }),
};
