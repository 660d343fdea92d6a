/** Hosts for what NixOS makes of them: every scope, every kind of disk content, names as hostile as they come. */
import { diskoTemplates, mkFleet, mkHost, roles } from "../../src/index.ts";
import { testedWith } from "../vm/fleet.ts";

const everything = mkHost({
  hostName: "everything",
  platform: "x86_64-linux",
  hostSpec: { userName: "alice", timeZone: "Europe/Paris", locale: "de_DE.UTF-8", keyMap: "de-latin1" },
  modules: [
    roles.workstation,
    diskoTemplates.luksBtrfsImpermanence({
      ...{ disk: "/dev/nvme0n1", passwordFile: "/tmp/disk.key", swapSize: "8G" },
      ...{ enrollTpm2: true, allowDiscards: true },
    }),
    {
      nixfleet: {
        impermanence: { enable: true, retentionDays: 7, keepNewest: 5, onFailure: "halt" },
        debian: {
          archive: ["deb [signed-by=/etc/apt/keyrings/vendor.asc] https://archive.example.org/debian trixie main"],
        },
      },
      boot: {
        kernelParams: ['dyndbg="file a.c +p"'],
        kernelModules: ["dummy"],
        kernel: { sysctl: { "vm.swappiness": 7, "kernel.printk": "3 3 3 3" } },
        initrd: { systemd: { emergencyAccess: "$6$salt$hash" } },
        loader: { configurationLimit: 4, timeout: 0 },
      },
      disko: {
        devices: {
          nodev: { "/tmp": { fsType: "tmpfs", mountOptions: ["size=2G", "mode=1777"] } },
          disk: {
            data: {
              device: "/dev/sda",
              content: {
                partitions: {
                  swap: { size: "1536M", content: { type: "swap", priority: 5, discardPolicy: "once" } },
                  vault: {
                    size: "1G",
                    content: {
                      ...{ type: "luks", name: "vault", settings: { keyFile: "/persist/keys/vault" } },
                      content: { type: "filesystem", format: "ext4", mountpoint: "/srv/vault" },
                    },
                  },
                  secret: { size: "1G", content: { type: "swap", randomEncryption: true } },
                  media: {
                    end: "-10G",
                    content: { type: "filesystem", format: "xfs", mountpoint: "/srv/media", mountOptions: ["nodev"] },
                  },
                },
              },
            },
          },
        },
      },
      users: {
        users: {
          alice: {
            description: `Alice "the first" $\{HOME}`,
            hashedPasswordFile: "/persist/passwords/alice",
            shell: "/usr/bin/zsh",
            extraGroups: ["docker", "libvirt", "media", "video"],
          },
          bob: { home: "/srv/homes/bob", openssh: { authorizedKeys: { keys: ["ssh-ed25519 AAAA bob"] } } },
          backup2: { isNormalUser: false, home: "/var/lib/backup2" },
          root: { openssh: { authorizedKeys: { keys: ["ssh-ed25519 BBBB root"] } } },
        },
        groups: { media: { gid: 500, members: ["bob"] } },
      },
      environment: {
        systemPackages: ["ripgrep", "fd-find", "our-tool", "not-there"],
        nixPackages: { "our-tool": "ourTool", "not-there": null },
        etc: {
          hosts: { text: "127.0.0.1 localhost" },
          "app/settings.conf": { text: `one = $\{two}\n\n  three = ''four''\n`, mode: "0600" },
          "app/link": { target: "../hostname" },
        },
        persistence: {
          "/persist": {
            directories: [
              { directory: "/srv/data", user: "bob", group: "media", mode: "2770", mountOptions: ["noexec"] },
              { directory: "/var/lib/link", how: "symlink" },
              "/var/lib/outer",
              { directory: "/var/lib/outer/inner", mode: "0700" },
            ],
            files: [
              { file: "/etc/app/token", parent: { mode: "0700" } },
              { file: "/etc/bound", how: "bind", mode: "0600" },
            ],
            users: { bob: { directories: ["mail"], files: [".config/app/settings"] } },
          },
        },
      },
      home: {
        persistence: {
          "/persist": { directories: [{ directory: ".secret/deep", mode: "0700", parent: { mode: "0700" } }] },
        },
      },
      programs: {
        chromium: { enable: true },
        fish: { enable: true },
        gh: { enable: true },
        neovim: { enable: true },
        thunderbird: { enable: true },
        zsh: { enable: true },
      },
      services: {
        atd: { enable: true },
        cron: { enable: true },
        fail2ban: { enable: true, bantime: "1d" },
        nginx: {
          enable: true,
          virtualHosts: {
            "www.example.org": { root: "/srv/www", enableACME: true, serverAliases: ["example.org"] },
            "app.example.org": { proxyPass: "http://127.0.0.1:3000", extraConfig: "client_max_body_size 1m;" },
          },
        },
        "nixfleet-agent": {
          enable: true,
          controlPlane: "https://fleet.example.org:8443",
          contentRepositories: ["https://content.example.org/"],
        },
        "nixfleet-control-plane": { enable: true },
        openssh: { enable: true, ports: [22, 2222] },
        postgresql: { enable: true, settings: { max_connections: 20 } },
        prometheus: { exporters: { node: { enable: true, port: 9101 } } },
        tailscale: { enable: true },
      },
      security: { acme: { acceptTerms: true, email: "alice@example.org" } },
      virtualisation: {
        docker: { enable: true, daemon: { settings: { "log-driver": "journald", nested: [1, null, { a: true }] } } },
        libvirtd: { enable: true },
        podman: { enable: true },
      },
      systemd: {
        services: {
          backup: {
            description: "Back up",
            wantedBy: ["multi-user.target"],
            after: ["ssh.service"],
            environment: { TARGET: "/srv/data" },
            serviceConfig: {
              Type: "oneshot",
              ExecStart: ["/usr/bin/rsync -a /srv/ /mnt/", "/bin/sh -c true"],
              Nice: 5,
            },
          },
        },
        units: { "backup.timer": { wantedBy: ["timers.target"], sections: { Timer: { OnCalendar: "daily" } } } },
      },
    },
  ],
});

const mirrored = mkHost({
  hostName: "mirrored",
  platform: "x86_64-linux",
  modules: [
    roles.microvmGuest,
    diskoTemplates.btrfsImpermanence({ disk: "/dev/disk/by-id/one" }),
    {
      nixfleet: { impermanence: { enable: true } },
      disko: {
        devices: {
          disk: {
            main: {
              content: {
                partitions: {
                  root: { content: { extraArgs: ["-m raid1", "-d raid1", "/dev/disk/by-partlabel/disk-second-root"] } },
                },
              },
            },
            second: {
              device: "/dev/disk/by-id/two",
              content: {
                partitions: {
                  ESP: {
                    ...{ size: "1G", type: "EF00" },
                    content: { type: "filesystem", format: "vfat", label: "ESP2", mountpoint: "/boot2" },
                  },
                  root: { size: "100%" },
                },
              },
            },
          },
        },
      },
    },
  ],
});

const lasting = mkHost({
  hostName: "lasting",
  platform: "aarch64-linux",
  modules: [roles.server, diskoTemplates.ext4({ disk: "/dev/sda", swapSize: "2G" })],
});

export const fleet = mkFleet([everything, lasting, mirrored, testedWith()]);
