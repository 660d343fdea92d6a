/** The hosts of the disk test: an encrypted one, and one that formats its disk. */
import { diskoTemplates, type HostDeclaration, mkFleet, mkHost } from "../../src/index.ts";

export const PASSWORD_FILE = "/tmp/passphrase";

/** How long these hosts wait for a device, in seconds; systemd waits for 90. */
export const DEVICE_TIMEOUT = 60;

const impermanence = { nixfleet: { impermanence: { enable: true } } };

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
          kernelParams: ["console=ttyS0", `systemd.default_device_timeout_sec=${DEVICE_TIMEOUT}`],
          loader: { timeout: 0 },
        },
        environment: {
          // What formats the disks of the others, and what is on theirs: so they share their packages.
          systemPackages: [
            ...["dosfstools", "e2fsprogs", "fdisk", "cryptsetup-bin", "systemd-cryptsetup"],
            ...["lvm2", "mdadm", "thin-provisioning-tools"],
          ],
        },
      },
    ],
  });
}

export const sealed = host(
  "sealed",
  diskoTemplates.luksBtrfsImpermanence({
    ...{ disk: "/dev/vdc", swapSize: "64M", espSize: "128M" },
    ...{ passwordFile: PASSWORD_FILE, enrollTpm2: true, allowDiscards: true },
  }),
  impermanence,
);
const PACKAGES = { environment: { systemPackages: packagesOf(sealed) } };

export const VAULT_KEY = "/persist/vault.key";

const vfat = (label: string, mountpoint: string) =>
  ({ type: "filesystem", format: "vfat", label, mountpoint }) as const;
const ext4 = (mountpoint: string) =>
  ({ type: "filesystem", format: "ext4", mountpoint, mountOptions: ["nofail"] }) as const;
const half = (device: string, label: string, mountpoint: string) =>
  ({
    device,
    content: {
      type: "gpt",
      partitions: {
        ESP: { size: "128M", type: "EF00", content: vfat(label, mountpoint) },
        stripe: { size: "200M", content: { type: "mdraid", name: "stripe" } },
        mirror: { size: "100%", content: { type: "mdraid", name: "mirror" } },
      },
    },
  }) as const;

/** On two disks, of which one may be missing: a volume group on an array holds the root, another array has partitions. */
export const stacked = host(
  "stacked",
  {
    disko: {
      devices: {
        disk: { one: half("/dev/vdd", "ESP", "/boot"), two: half("/dev/vde", "ESP2", "/boot2") },
        mdadm: {
          mirror: { level: 1, content: { type: "lvm_pv", vg: "pool-a" } },
          stripe: { level: 0, content: { type: "gpt", partitions: { data: { size: "100%", content: ext4("/srv") } } } },
        },
        lvm_vg: {
          "pool-a": {
            lvs: {
              root: {
                size: "100%FREE",
                content: {
                  type: "btrfs",
                  subvolumes: {
                    "@root": { mountpoint: "/" },
                    "@nix": { mountpoint: "/nix" },
                    "@persist": { mountpoint: "/persist" },
                  },
                },
              },
              thin: { size: "100M", lvm_type: "thin-pool" },
              logs: { size: "200M", lvm_type: "thinlv", pool: "thin", content: ext4("/logs") },
              vault: {
                size: "64M",
                content: { type: "luks", name: "vault", settings: { keyFile: VAULT_KEY }, content: ext4("/vault") },
              },
            },
          },
        },
      },
    },
    boot: { kernelParams: ["nixfleet.degraded=mirror"] },
  },
  impermanence,
  PACKAGES,
);

export const rescue = host("rescue", diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }), impermanence, PACKAGES);

function packagesOf(one: typeof sealed): readonly string[] {
  return one.plan().packages.packages.filter((name) => !name.startsWith("linux-image"));
}

export default mkFleet([sealed, stacked, rescue]);
