/** libvirt: virtual machines. */
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const libvirtd = defineModule(
  {
    options: {
      virtualisation: {
        libvirtd: { enable: mkEnableOption("libvirt with QEMU. Whoever is in the group libvirt may use it") },
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
          { directory: "/etc/libvirt/qemu", purpose: "definitions of virtual machines and of their networks" },
          { directory: "/etc/libvirt/nwfilter", purpose: "libvirt's network filters" },
          { directory: "/etc/libvirt/storage", mode: "0700", purpose: "definitions of libvirt's storage pools" },
          {
            directory: "/etc/libvirt/secrets",
            mode: "0700",
            purpose: "libvirt's secrets, such as keys of encrypted volumes",
          },
          { directory: "/var/lib/logrotate", purpose: "when each log, libvirt's among them, was last rotated" },
          { directory: "/var/lib/libvirt", purpose: "disks, saved states and snapshots of virtual machines" },
        ],
      }),
    },
  }),
);
