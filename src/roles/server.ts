/** A machine that is reached over the network. */

import { defineModule } from "../fleet/options.ts";
import { mkDefault } from "../modules/properties.ts";

export const server = defineModule({
  config: mkDefault({
    nixfleet: { base: { enable: true } },
    services: { openssh: { enable: true } },
  }),
});
