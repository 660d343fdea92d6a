/** libvirt: virtual machines. */

import { mkEnableOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const libvirtd = defineModule(
  {
    options: {
      virtualisation: {
        libvirtd: { enable: mkEnableOption("libvirt with QEMU. Members of the group libvirt may use it") },
      },
    },
  },
  mkIf(({ virtualisation }) => virtualisation.libvirtd.enable, {
    // Images of systemd's own containers and services, whose package libvirt brings for something else.
    nixfleet: { impermanence: { ephemeral: ["/var/lib/machines", "/var/lib/portables"] } },
    environment: {
      systemPackages: ({ hostSpec }) => [
        "dnsmasq-base",
        "iptables",
        "libvirt-clients",
        "libvirt-daemon-system",
        "qemu-utils",
        ...(hostSpec.platform === "aarch64-linux"
          ? ["qemu-efi-aarch64", "qemu-system-arm"]
          : ["ovmf", "qemu-system-x86"]),
      ],
      persistence: persisted({
        directories: [
          { directory: "/etc/libvirt/qemu", purpose: "definitions of virtual machines and their networks" },
          { directory: "/etc/libvirt/nwfilter", purpose: "libvirt's network filters" },
          { directory: "/etc/libvirt/storage", mode: "0700", purpose: "definitions of libvirt's storage pools" },
          {
            directory: "/etc/libvirt/secrets",
            mode: "0700",
            purpose: "libvirt's secrets, such as keys of encrypted volumes",
          },
          { directory: "/var/lib/logrotate", purpose: "when each log was last rotated" },
          { directory: "/var/lib/libvirt", purpose: "disks, saved states and snapshots of virtual machines" },
        ],
      }),
    },
  }),
);

export const libvirtdOnNixos: OnNixos<ScopeConfig<typeof libvirtd>> = {
  enabled: ({ virtualisation }) => virtualisation.libvirtd.enable,
  options: () => ({ virtualisation: { libvirtd: { enable: true } } }),
  packages: /^(dnsmasq-base|iptables|libvirt-clients|libvirt-daemon-system|ovmf|qemu-.*)$/,
  // libvirt there has its definitions below /var/lib/libvirt, which persists.
  paths: () => ({
    "/etc/libvirt/qemu": null,
    "/etc/libvirt/nwfilter": null,
    "/etc/libvirt/storage": null,
    "/etc/libvirt/secrets": null,
    "/var/lib/logrotate": null,
  }),
  groups: { libvirt: "libvirtd" },
  lost: () => ["definitions of virtual machines are in /var/lib/libvirt/qemu: move those of /etc/libvirt/qemu there"],
};
