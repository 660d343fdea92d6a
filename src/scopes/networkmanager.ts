/** NetworkManager: networks that come and go, and their passwords. */
import { mkDefault, mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const networkmanager = defineModule(
  {
    options: {
      networking: {
        networkmanager: {
          enable: mkEnableOption(
            "NetworkManager, in place of systemd-networkd; the primary user may configure networks",
          ),
        },
      },
    },
  },
  mkIf(({ networking }) => networking.networkmanager.enable, {
    networking: { useDHCP: mkDefault(false) },
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
