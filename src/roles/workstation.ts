/** A machine that somebody sits in front of. */

import { defineModule } from "../fleet/options.ts";
import { mkDefault } from "../modules/definition.ts";

export const workstation = defineModule({
  config: mkDefault({
    hostSpec: { isGraphical: true },
    nixfleet: { base: { enable: true } },
    programs: { firefox: { enable: true } },
  }),
});
