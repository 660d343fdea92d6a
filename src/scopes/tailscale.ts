/** Tailscale. Debian has no package of it: the vendor's archive has. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const tailscale = defineModule(
  {
    options: {
      services: {
        tailscale: {
          enable: mkEnableOption(
            "Tailscale, from an archive that nixfleet.debian.archive names: Debian has no package of it",
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
        assertion: nixfleet.debian.archive.length > 1,
        message:
          "services.tailscale: Debian has no package of it; name Debian's archive and the vendor's in nixfleet.debian.archive, the latter with [signed-by=…] and its key",
      },
    ],
  }),
);
