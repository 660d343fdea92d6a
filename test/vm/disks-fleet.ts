/** The hosts of the disk test: one for each template, and one that formats their disks. */
import { diskoTemplates, type HostDeclaration, mkFleet, mkHost } from "../../src/index.ts";

export const PASSWORD_FILE = "/tmp/passphrase";

const disk = "/dev/vdc";
const sizes = { disk, swapSize: "64M" };
const uefi = { ...sizes, espSize: "128M" };
const impermanence = { nixfleet: { impermanence: { enable: true } } };

export const layouts = {
  btrfs: [diskoTemplates.btrfs(uefi)],
  btrfsBios: [diskoTemplates.btrfsBios(sizes)],
  btrfsImpermanence: [diskoTemplates.btrfsImpermanence(uefi), impermanence],
  btrfsImpermanenceBios: [diskoTemplates.btrfsImpermanenceBios(sizes), impermanence],
  ext4: [diskoTemplates.ext4(uefi)],
  luksBtrfsImpermanence: [
    diskoTemplates.luksBtrfsImpermanence({
      ...uefi,
      passwordFile: PASSWORD_FILE,
      enrollTpm2: true,
      allowDiscards: true,
    }),
    impermanence,
  ],
} as const;

function host(hostName: string, ...modules: HostDeclaration["modules"][number][]) {
  return mkHost({
    hostName,
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      ...modules,
      {
        services: { openssh: { enable: true } },
        boot: {
          kernelPackage: "linux-image-cloud-amd64",
          kernelParams: ["console=ttyS0"],
          loader: { timeout: 0 },
        },
        environment: {
          // What formats the disks of the others, and what is on theirs: so they share their packages.
          systemPackages: ["dosfstools", "e2fsprogs", "fdisk", "cryptsetup-bin", "systemd-cryptsetup"],
        },
      },
    ],
  });
}

export const sealed = host("sealed", ...layouts.luksBtrfsImpermanence);
export const rescue = host("rescue", diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }), impermanence, {
  environment: { systemPackages: sealed.plan().packages.packages.filter((name) => !name.startsWith("linux-image")) },
});

export default mkFleet([
  ...Object.entries(layouts).map(([name, modules]) => host(`on-${name}`, ...modules)),
  sealed,
  rescue,
]);
