/** A small virtual machine: only what its own purpose adds, and a way in. */

import { type Config, defineModule } from "../fleet/options.ts";
import { mkDefault } from "../modules/properties.ts";

export const microvmGuest = defineModule({
  config: mkDefault({
    services: { openssh: { enable: true } },
    boot: {
      // Without the drivers of real hardware.
      kernelPackage: ({ hostSpec }: Config) =>
        hostSpec.platform === "aarch64-linux" ? "linux-image-cloud-arm64" : "linux-image-cloud-amd64",
      kernelParams: ({ hostSpec }: Config) => [
        hostSpec.platform === "aarch64-linux" ? "console=ttyAMA0" : "console=ttyS0",
      ],
    },
  }),
});
