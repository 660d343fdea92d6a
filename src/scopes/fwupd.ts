/** Updates of firmware. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const fwupd = defineModule({
  options: { services: { fwupd: { enable: mkEnableOption("updates of firmware, by fwupd") } } },
  config: mkIf(({ services }) => services.fwupd.enable, {
    environment: {
      systemPackages: ["fwupd"],
      persistence: persisted({
        directories: [{ directory: "/var/lib/fwupd", purpose: "pending and past updates of firmware, fwupd's keys" }],
      }),
    },
  }),
});
