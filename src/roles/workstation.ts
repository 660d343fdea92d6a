/** A machine that somebody sits in front of, and looks after. */

import { defineModule } from "../fleet/options.ts";
import { mkDefault } from "../modules/properties.ts";

export const workstation = defineModule({
  config: mkDefault({
    hostSpec: { isGraphical: true },
    nixfleet: { base: { enable: true }, home: { enable: true } },
    networking: { networkmanager: { enable: true } },
    hardware: { bluetooth: { enable: true } },
    services: { printing: { enable: true }, fwupd: { enable: true } },
    programs: { firefox: { enable: true } },
  }),
});
