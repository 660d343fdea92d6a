/** Tailscale. Debian has no package of it: the vendor's archive has. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const tailscale = defineModule(
  {
    options: {
      services: {
        tailscale: {
          enable: mkEnableOption(
            "Tailscale. Debian has no package, so add the vendor's archive to nixfleet.debian.archive",
          ),
        },
      },
    },
  },
  mkIf(({ services }) => services.tailscale.enable, {
    environment: {
      systemPackages: ["ca-certificates", "iptables", "tailscale"],
      persistence: persisted({
        directories: [
          { directory: "/var/lib/tailscale", mode: "0700", purpose: "the host's key and place in its tailnet" },
        ],
      }),
    },
    assertions: ({ nixfleet }) => [
      {
        assertion: nixfleet.debian.archive.length > (nixfleet.debian.defaultArchive ? 0 : 1),
        message:
          "services.tailscale: Debian has no package of it; add the vendor's archive to nixfleet.debian.archive, with [signed-by=…] and its key",
      },
    ],
  }),
);

export const tailscaleOnNixos: OnNixos<ScopeConfig<typeof tailscale>> = {
  enabled: ({ services }) => services.tailscale.enable,
  options: () => ({ services: { tailscale: { enable: true } } }),
  packages: ["iptables", "tailscale"],
};
