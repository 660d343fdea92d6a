/** What the framework itself persists: the host's identity, its connections, its logs, and the user's keys. */
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";

export const impermanence = defineModule(
  {},
  mkIf(({ nixfleet }) => nixfleet.impermanence.enable, {
    environment: {
      // By default the journal is kept only where its folder is there already, and a new /persist/var/log has none.
      etc: { "systemd/journald.conf.d/nixfleet.conf": { text: "[Journal]\nStorage=persistent" } },
      // The persist root is an option, so the definition is a function of the configuration.
      persistence: ({ nixfleet }) => ({
        [nixfleet.impermanence.persistRoot]: {
          directories: [
            { directory: "/etc/nixos", purpose: "the host's own configuration" },
            { directory: "/etc/NetworkManager/system-connections", mode: "0700", purpose: "WiFi and VPN connections" },
            { directory: "/var/lib/systemd", purpose: "systemd's state: timers, the random seed, the clock" },
            { directory: "/var/lib/nixos", purpose: "maps of user and group ids" },
            { directory: "/var/log", purpose: "system logs and the journal" },
          ],
          files: [{ file: "/etc/machine-id", how: "bind", mode: "0444", purpose: "the machine's stable identity" }],
        },
      }),
    },
    home: {
      persistence: ({ nixfleet }) => ({
        [nixfleet.impermanence.persistRoot]: {
          hideMounts: true,
          directories: [
            { directory: ".keys", mode: "0700", purpose: "encryption and decryption keys" },
            { directory: ".local/share/nix", purpose: "the user's Nix state" },
          ],
          files: [{ file: ".ssh/known_hosts", mode: "0600", parent: { mode: "0700" }, purpose: "known SSH hosts" }],
        },
      }),
    },
  }),
);

export const impermanenceOnNixos: OnNixos<ScopeConfig<typeof impermanence>> = {
  // Its entries are those of the plan, and the journal persists there by default.
  enabled: ({ nixfleet }) => nixfleet.impermanence.enable,
  etc: /^systemd\/journald\.conf\.d\/nixfleet\.conf$/,
};
