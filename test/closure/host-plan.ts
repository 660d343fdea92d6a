/** A hand-written plan of a small host, and the activation files of one that does nothing. */
import type { Activation } from "../../src/closure/tree/activation.ts";
import type { HostPlan } from "../../src/plan/host.ts";

export const ALICE = {
  name: "alice",
  uid: 1000,
  group: "alice",
  description: "Alice",
  home: "/home/alice",
  createHome: true,
  shell: "/bin/bash",
  hashedPasswordFile: null,
};

export const SMALL_HOST: HostPlan = {
  hostName: "myhost",
  platform: "x86_64-linux",
  packages: {
    suite: "trixie",
    architecture: "amd64",
    archive: [],
    packages: [
      ...["dbus", "dracut", "linux-image-cloud-amd64", "openssh-server", "systemd-resolved", "tzdata"],
      // Their installation makes keys and ids.
      ...["bind9", "munge", "nvme-cli", "ssl-cert"],
    ],
    locales: ["en_US.UTF-8"],
  },
  files: [
    { kind: "text", path: "/etc/hostname", text: "myhost\n", mode: "0644" },
    { kind: "symlink", path: "/etc/localtime", target: "/usr/share/zoneinfo/Europe/Berlin" },
    { kind: "text", path: "/etc/skel/.hushlogin", text: "", mode: "0644" },
    { kind: "text", path: "/etc/sudoers.d/alice", text: "alice ALL=(ALL) ALL\n", mode: "0440" },
  ],
  users: {
    users: [ALICE],
    groups: [
      { name: "alice", gid: 1000, members: [] },
      { name: "sudo", gid: null, members: ["alice"] },
    ],
  },
  persistence: { persistRoot: "/persist", roots: [], entries: [], parents: [], ephemeral: [], keys: [] },
  wipe: { label: "root", subvolume: "@root", retentionDays: 30, keepNewest: 3, onFailure: "boot" },
  disk: { disks: [], nodev: [] },
  loader: { esps: [], biosBoot: null, configurationLimit: 10, timeout: 5, tries: 3 },
  runtime: false,
  boot: {
    crypttab: [],
    kernelParameters: ["console=ttyS0"],
    emergencyAccess: false,
    initrdKernelModules: [],
    mounts: [
      {
        mountpoint: "/",
        device: "/dev/disk/by-label/root",
        fsType: "btrfs",
        subvolume: "@root",
        options: ["subvol=@root"],
      },
      {
        mountpoint: "/nix",
        device: "/dev/disk/by-label/root",
        fsType: "btrfs",
        subvolume: "@nix",
        options: ["subvol=@nix", "ro"],
      },
      {
        mountpoint: "/persist",
        device: "/dev/disk/by-label/root",
        fsType: "btrfs",
        subvolume: "@persist",
        options: ["subvol=@persist"],
      },
    ],
  },
};

export const NO_ACTIVATION: Activation = () => ({
  initrd: [{ kind: "text", path: "/etc/nixfleet/test", text: "here\n", mode: "0644" }],
  texts: {},
});
