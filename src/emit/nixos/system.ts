/** Who the host is, how it boots, its network. */
import type { Config } from "../../fleet/options.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { NixSet, NixValue } from "../../scopes/on-nixos.ts";
import type { Part } from "./part.ts";

/** The release that the flake is of. */
export const RELEASE = "25.11";

export function systemPart(config: Config, { hostName, platform, boot, loader, disk }: HostPlan): Part {
  const { hostSpec, networking } = config;
  const [esp, ...furtherEsps] = loader.esps;
  const grubDisk = disk.disks.find(({ partitions }) => partitions.some(({ type }) => type === "bios-boot"));
  return {
    options: {
      networking: {
        hostName,
        useDHCP: networking.useDHCP,
        ...(networking.backend === "systemd-networkd" ? { useNetworkd: true } : {}),
        // As on the Debian host, which filters nothing.
        firewall: { enable: false },
      },
      time: { timeZone: hostSpec.timeZone },
      i18n: { defaultLocale: hostSpec.locale },
      console: { keyMap: hostSpec.keyMap },
      nixpkgs: { hostPlatform: platform },
      // Debian's initrd has the drivers of every disk too.
      hardware: { enableAllHardware: true },
      boot: {
        loader: {
          timeout: loader.timeout,
          ...(esp === undefined
            ? {
                grub: {
                  enable: true,
                  configurationLimit: loader.configurationLimit,
                  device: grubDisk?.device ?? "nodev",
                },
              }
            : {
                "systemd-boot": { enable: true, configurationLimit: loader.configurationLimit },
                efi: { efiSysMountPoint: esp, canTouchEfiVariables: true },
              }),
        },
        initrd: {
          systemd: { enable: true, ...emergencyAccess(boot.emergencyAccess) },
          ...listed("kernelModules", boot.initrdKernelModules),
        },
        ...listed("kernelParams", config.boot.kernelParams),
        ...listed("kernelModules", config.boot.kernelModules),
        ...(Object.keys(config.boot.kernel.sysctl).length === 0
          ? {}
          : { kernel: { sysctl: config.boot.kernel.sysctl } }),
      },
      system: { stateVersion: RELEASE },
    },
    lost: [
      "packages are those of the release of nixpkgs in flake.lock, not the versions in nixfleet.lock",
      "no firewall, as on the Debian host: networking.firewall.enable = true turns on NixOS' own",
      `a generation that does not boot is not passed over by itself: boot.loader.tries is ${loader.tries} here`,
      ...furtherEsps.map((path) => `${path} gets no boot loader: NixOS keeps the one in ${esp}`),
      ...(USUAL_KERNEL.test(config.boot.kernelPackage)
        ? []
        : [`the kernel is that of NixOS, and not ${config.boot.kernelPackage}: set boot.kernelPackages`]),
      ...(hostSpec.isGraphical
        ? ["hostSpec.isGraphical starts no desktop on NixOS: enable one in services.desktopManager"]
        : []),
    ],
  };
}

const USUAL_KERNEL = /^linux-image-(cloud-)?(amd64|arm64)$/;

function emergencyAccess(access: boolean | string): NixSet {
  return access === false ? {} : { emergencyAccess: access };
}

function listed(name: string, values: readonly NixValue[]): NixSet {
  return values.length === 0 ? {} : { [name]: values };
}
