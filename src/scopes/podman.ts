/** Podman: containers without a daemon, of root and of the primary user. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const podman = defineModule(
  {
    options: {
      virtualisation: { podman: { enable: mkEnableOption("Podman, for root and, rootless, for the primary user") } },
    },
  },
  mkIf(({ virtualisation }) => virtualisation.podman.enable, {
    environment: {
      systemPackages: [
        "aardvark-dns",
        "ca-certificates",
        "crun",
        "dbus-user-session",
        "libpam-systemd",
        "netavark",
        "nftables",
        "passt",
        "podman",
        "uidmap",
      ],
      // The ids inside of the primary user's containers, as useradd(8) gives them to the first user.
      etc: {
        subuid: { text: ({ hostSpec }) => `${hostSpec.userName}:100000:65536` },
        subgid: { text: ({ hostSpec }) => `${hostSpec.userName}:100000:65536` },
      },
      persistence: persisted({
        directories: [
          { directory: "/var/lib/containers", purpose: "Podman's images, containers and volumes" },
          { directory: "/etc/containers/networks", purpose: "Podman's networks" },
        ],
      }),
    },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".local/share/containers", purpose: "Podman's images, containers and volumes, rootless" },
          { directory: ".config/containers", purpose: "Podman's settings, rootless; logins kept in its auth.json" },
        ],
      }),
    },
  }),
);
