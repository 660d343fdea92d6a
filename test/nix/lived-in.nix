# The configuration of a NixOS host as it is evaluated, by impermanence in NixOS and in Home Manager and by preservation, with what makes
# reading all of it fail.
let
  removed = throw "the option has been removed";
  directory = path: rest: {
    inherit removed;
    dirPath = path;
    directory = path;
    user = "root";
    group = "root";
    mode = "0755";
    hideMount = true;
    allowTrash = false;
  }
  // rest;
  file = path: rest: {
    inherit removed;
    filePath = path;
    file = path;
    method = "auto";
    parentDirectory = {
      inherit removed;
      user = "root";
      group = "root";
      mode = "0755";
    };
  }
  // rest;
  preserved = rest: {
    inherit removed;
    how = "bindmount";
    user = "root";
    group = "root";
    mode = "0755";
    configureParent = false;
    parent = {
      user = "root";
      group = "root";
      mode = "0755";
    };
    mountOptions = [
      {
        name = "bind";
        value = null;
      }
      {
        name = "X-fstrim.notrim";
        value = null;
      }
    ];
  }
  // rest;
  user = rest: {
    inherit removed;
    isNormalUser = true;
    description = "";
    extraGroups = [ ];
    group = "users";
    hashedPasswordFile = null;
    uid = 1000;
    shell = null;
    openssh.authorizedKeys.keys = [ ];
  }
  // rest;
in
{
  inherit removed;
  networking = {
    hostName = "lived-in";
    networkmanager.enable = true;
  };
  nixpkgs.hostPlatform.system = "x86_64-linux";
  time.timeZone = "Europe/Paris";
  i18n.defaultLocale = "de_DE.UTF-8";
  console.keyMap = "de";
  hardware.bluetooth.enable = false;
  users.users = {
    alice = user {
      home = "/home/alice";
      description = "Alice";
      extraGroups = [
        "wheel"
        "networkmanager"
        "docker"
        "media"
        "plugdev2"
      ];
      hashedPasswordFile = "/persist/passwords/alice";
      shell.shellPath = "/bin/zsh";
    };
    bob = user {
      home = "/srv/bob";
      uid = 1001;
      openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA bob" ];
    };
    root = user {
      isNormalUser = false;
      home = "/root";
      group = "root";
      uid = 0;
    };
    nobody = user {
      isNormalUser = false;
      home = "/var/empty";
    };
  };
  users.groups = {
    users.gid = 100;
    docker.gid = 131;
    media.gid = 500;
  };
  environment.persistence."/persist" = {
    inherit removed;
    enable = true;
    persistentStoragePath = "/persist";
    hideMounts = true;
    allowTrash = false;
    directories = [
      (directory "/var/log" { })
      (directory "/etc/nixos" { })
      (directory "/var/lib/colord" {
        user = "colord";
        group = "colord";
        mode = "u=rwx,g=rx,o=";
      })
      (directory "/nix/var" { })
    ];
    files = [
      (file "/etc/machine-id" { })
      (file "/etc/ssh/ssh_host_ed25519_key" { })
      (file "/etc/app/token" {
        parentDirectory = {
          user = "root";
          group = "root";
          mode = "0700";
        };
      })
    ];
    users.alice = {
      inherit removed;
      directories = [
        (directory "/home/alice/.gnupg" {
          user = "alice";
          group = "users";
          mode = "0700";
        })
      ];
      files = [ ];
    };
  };
  home-manager.users.bob.home = {
    homeDirectory = "/srv/bob";
    persistence."/persist" = {
      persistentStoragePath = "/persist";
      directories = [
        (
          removeAttrs (directory "mail" {
            user = "bob";
            group = null;
            hideMount = false;
          }) [ "dirPath" ]
        )
      ];
      files = [ ];
    };
  };
  preservation = {
    enable = true;
    preserveAt."/state" = {
      persistentStoragePath = "/state";
      directories = [
        (preserved {
          directory = "/var/lib/media";
          user = "bob";
          group = "users";
          mode = "2770";
          mountOptions = [
            {
              name = "bind";
              value = null;
            }
            {
              name = "noexec";
              value = null;
            }
            {
              name = "size";
              value = "1";
            }
          ];
        })
      ];
      files = [ ];
      users.alice = {
        directories = [
          (preserved {
            directory = "/home/alice/.config";
            how = "_intermediate";
            user = "alice";
            group = "users";
          })
          (preserved {
            directory = "/home/alice/.config/app";
            user = "alice";
            group = "users";
          })
        ];
        files = [
          (preserved {
            file = "/home/alice/.config/one";
            how = "symlink";
            user = "alice";
            group = "users";
            mode = "0644";
            configureParent = true;
            parent = {
              user = "alice";
              group = "users";
              mode = "0700";
            };
          })
        ];
      };
    };
  };
  disko.devices = {
    disk.main = {
      inherit removed;
      device = "/dev/vda";
      imageSize = "2G";
      content = {
        type = "gpt";
        partitions = {
          ESP = {
            inherit removed;
            priority = 1000;
            type = "EF00";
            label = "disk-main-ESP";
            uuid = null;
            start = "0";
            size = "512M";
            end = "+512M";
            attributes = [ ];
            content = {
              inherit removed;
              type = "filesystem";
              format = "vfat";
              mountpoint = "/boot";
              mountOptions = [ "umask=0077" ];
              extraArgs = [ ];
            };
          };
          luks = {
            priority = 9001;
            type = "8300";
            label = "disk-main-luks";
            uuid = null;
            start = "0";
            size = "100%";
            end = "-0";
            attributes = [ ];
            content = {
              type = "luks";
              name = "crypted";
              passwordFile = "/tmp/secret.key";
              additionalKeyFiles = [ ];
              settings = {
                allowDiscards = true;
                preOpenCommands = "";
              };
              extraFormatArgs = [ ];
              extraOpenArgs = [ ];
              content = {
                type = "btrfs";
                extraArgs = [ "-f" ];
                mountpoint = null;
                mountOptions = [ "defaults" ];
                swap = { };
                subvolumes = {
                  "/root" = {
                    mountpoint = "/";
                    mountOptions = [ "compress=zstd" ];
                    swap = { };
                  };
                  "/nix" = {
                    mountpoint = "/nix";
                    mountOptions = [
                      "compress=zstd"
                      "noatime"
                    ];
                    swap = { };
                  };
                  "/persist" = {
                    mountpoint = "/persist";
                    mountOptions = [ "defaults" ];
                    swap = { };
                  };
                  "/state" = {
                    mountpoint = "/state";
                    mountOptions = [ "defaults" ];
                    swap = { };
                  };
                  "/swap" = {
                    mountpoint = "/.swapvol";
                    mountOptions = [ "defaults" ];
                    swap.swapfile = {
                      size = "4G";
                      path = "swapfile";
                      priority = null;
                      options = [ "defaults" ];
                    };
                  };
                };
              };
            };
          };
        };
      };
    };
    nodev."/tmp" = {
      fsType = "tmpfs";
      device = "tmpfs";
      mountpoint = "/tmp";
      mountOptions = [ "size=200M" ];
    };
  };
  services = {
    openssh.enable = true;
    jellyfin.enable = true;
    dbus.enable = true;
    gone = removed;
    old.enable = removed;
    listed = [ ];
  };
  programs.zsh.enable = true;
  virtualisation.docker.enable = true;
}
