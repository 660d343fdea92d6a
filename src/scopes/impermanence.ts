/** What the framework itself persists: the host's identity, its connections, its logs, and the user's keys. */
import { mkIf } from "../modules/definition.ts";
import { defineModule } from "../system/options.ts";

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
            { directory: ".local/share/nix", purpose: "Nix's state of the user" },
          ],
          files: [
            { file: ".ssh/known_hosts", mode: "0600", parent: { mode: "0700" }, purpose: "SSH hosts that are known" },
          ],
        },
      }),
    },
  }),
);
