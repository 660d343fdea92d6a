/** Podman: containers without a daemon, of root and of the primary user. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

const PACKAGES = [
  "aardvark-dns",
  "ca-certificates",
  "crun",
  "dbus-user-session",
  "netavark",
  "nftables",
  "passt",
  "podman",
  "uidmap",
];

export const podman = defineModule(
  {
    options: {
      virtualisation: { podman: { enable: mkEnableOption("Podman, for root and rootless for the primary user") } },
    },
  },
  mkIf(({ virtualisation }) => virtualisation.podman.enable, {
    // Of another program for networks; Podman's tmpfiles.d makes it at each boot.
    nixfleet: { impermanence: { ephemeral: ["/var/lib/cni"] } },
    environment: {
      systemPackages: PACKAGES,
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
          { directory: ".local/share/containers", purpose: "rootless Podman's images, containers and volumes" },
          { directory: ".config/containers", purpose: "rootless Podman's settings, and logins in auth.json" },
        ],
      }),
    },
  }),
);

export const podmanOnNixos: OnNixos<ScopeConfig<typeof podman>> = {
  enabled: ({ virtualisation }) => virtualisation.podman.enable,
  options: ({ hostSpec }) => ({
    virtualisation: { podman: { enable: true } },
    users: {
      users: {
        [hostSpec.userName]: {
          subUidRanges: [{ startUid: 100000, count: 65536 }],
          subGidRanges: [{ startGid: 100000, count: 65536 }],
        },
      },
    },
  }),
  packages: PACKAGES,
  etc: /^sub[ug]id$/,
};
