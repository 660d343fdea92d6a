/** A machine that somebody uses and that others look after, from afar: its user is no administrator. */

import { defineModule } from "../fleet/options.ts";
import { mkDefault } from "../modules/properties.ts";

export const endpoint = defineModule({
  config: mkDefault({
    hostSpec: { isGraphical: true },
    nixfleet: { base: { enable: true, administrator: false }, home: { enable: true } },
    networking: { networkmanager: { enable: true } },
    services: { fwupd: { enable: true }, openssh: { enable: true } },
    programs: { firefox: { enable: true } },
  }),
});
