/** NetworkManager: networks that come and go, and their passwords. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkDefault, mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const networkmanager = defineModule(
  {
    options: {
      networking: {
        networkmanager: {
          enable: mkEnableOption("NetworkManager instead of systemd-networkd. The primary user may configure networks"),
        },
      },
    },
  },
  mkIf(({ networking }) => networking.networkmanager.enable, {
    networking: { backend: "networkmanager", useDHCP: mkDefault(false) },
    environment: {
      systemPackages: ["network-manager", "polkitd", "systemd-resolved", "wpasupplicant"],
      etc: { "resolv.conf": { target: "../run/systemd/resolve/stub-resolv.conf" } },
      persistence: persisted({
        directories: [
          { directory: "/etc/NetworkManager/system-connections", mode: "0700", purpose: "WiFi and VPN connections" },
          {
            directory: "/var/lib/NetworkManager",
            mode: "0700",
            purpose: "NetworkManager's leases, switches and secret key",
          },
        ],
      }),
    },
    users: { users: ({ hostSpec }) => ({ [hostSpec.userName]: { extraGroups: ["netdev"] } }) },
  }),
);

export const networkmanagerOnNixos: OnNixos<ScopeConfig<typeof networkmanager>> = {
  enabled: ({ networking }) => networking.networkmanager.enable,
  options: () => ({ networking: { networkmanager: { enable: true } }, services: { resolved: { enable: true } } }),
  packages: ["network-manager", "polkitd", "systemd-resolved", "wpasupplicant"],
  etc: /^resolv\.conf$/,
  groups: { netdev: "networkmanager" },
};
