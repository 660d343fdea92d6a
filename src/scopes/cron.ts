/** cron: jobs that run again and again. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const cron = defineModule({
  options: { services: { cron: { enable: mkEnableOption("cron, which runs jobs periodically") } } },
  config: mkIf(({ services }) => services.cron.enable, {
    environment: {
      systemPackages: ["cron"],
      persistence: persisted({
        directories: [{ directory: "/var/spool/cron/crontabs", purpose: "the crontabs of users" }],
      }),
    },
  }),
});

export const cronOnNixos: OnNixos<ScopeConfig<typeof cron>> = {
  enabled: ({ services }) => services.cron.enable,
  options: () => ({ services: { cron: { enable: true } } }),
  packages: ["cron"],
  paths: () => ({ "/var/spool/cron/crontabs": { path: "/var/cron", mode: "0710" } }),
};
