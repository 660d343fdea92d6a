/** Static addresses and DNS servers, as files of systemd-networkd and -resolved. */
import { mkIf } from "../modules/properties.ts";
import { defineModule, type SystemConfig } from "../system/options.ts";
import type { OnNixos } from "./on-nixos.ts";

type Interface = SystemConfig["networking"]["interfaces"][string];

export const network = defineModule(
  {},
  {
    environment: {
      etc: mkIf(
        ({ networking }) => networking.backend === "systemd-networkd",
        ({ networking }) => ({
          ...Object.fromEntries(
            Object.entries(networking.interfaces).map(([name, one]) => [
              // Before 80-dhcp.network, of which the first that matches counts.
              `systemd/network/40-${name.replaceAll("*", "any")}.network`,
              { text: networkFile(name, one) },
            ]),
          ),
          ...(networking.nameservers.length === 0
            ? {}
            : {
                "systemd/resolved.conf.d/nixfleet.conf": { text: `[Resolve]\nDNS=${networking.nameservers.join(" ")}` },
              }),
        }),
      ),
    },
  },
);

/** systemd.network(5) */
function networkFile(name: string, { addresses, gateways, useDHCP }: Interface): string {
  return [
    "[Match]",
    `Name=${name}`,
    "",
    "[Network]",
    `DHCP=${useDHCP ? "yes" : "no"}`,
    ...addresses.map((address) => `Address=${address}`),
    ...gateways.map((gateway) => `Gateway=${gateway}`),
  ].join("\n");
}

/** The files are the same there. */
export const networkOnNixos: OnNixos<SystemConfig> = { enabled: () => true };
