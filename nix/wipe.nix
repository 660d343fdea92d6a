# Gives a NixOS host a fresh root on every boot, and deletes old ones when they are due. README.md beside this says how to
# use it. The scripts are those of NixFleet's own hosts, byte for byte.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.nixfleet.wipe;
  root = config.fileSystems."/";

  scripts = builtins.path {
    name = "nixfleet-wipe";
    path = ../src/payload/initrd;
    filter =
      path: _type:
      builtins.elem (baseNameOf path) [
        "filesystem.sh"
        "old-roots.sh"
        "prune.sh"
        "report.sh"
        "room.sh"
        "take-back.sh"
        "wipe.sh"
      ];
  };

  tag = builtins.match "(LABEL|PARTLABEL|PARTUUID|UUID)=(.*)" cfg.device;

  # The link that udev makes, and whose unit systemd waits for.
  device =
    if tag == null then
      cfg.device
    else
      "/dev/disk/by-${lib.toLower (builtins.elemAt tag 0)}/${builtins.elemAt tag 1}";

  deviceUnit = "${utils.escapeSystemdPath device}.device";

  label = builtins.match "/dev/disk/by-label/([A-Za-z0-9@._+:=-]+)" device;

  # As it is called from the top of the filesystem: `subvol=/@root` is the same as `subvol=@root`.
  subvolumesOf =
    fileSystem:
    map (option: lib.removePrefix "/" (lib.removePrefix "subvol=" option)) (
      lib.filter (lib.hasPrefix "subvol=") fileSystem.options
    );
  subvolume = lib.concatStrings (subvolumesOf root);
  isOwn = name: name == "old_roots" || name == "@root.reserve" || name == "${subvolume}.new";
  further = lib.concatMap subvolumesOf (lib.attrValues config.fileSystems);

  conf = lib.concatStrings (
    lib.mapAttrsToList (name: value: "${name}='${lib.replaceStrings [ "'" ] [ "'\\''" ] value}'\n") {
      # By a label only where the host goes by it: then two filesystems that have it are refused, and told.
      DEVICE = if label == null then device else "";
      LABEL = if label == null then "" else builtins.head label;
      LABEL_LINK = device;
      ROOT_SUBVOLUME = subvolume;
      RETENTION_DAYS = toString cfg.retentionDays;
      KEEP_NEWEST = toString cfg.keepNewest;
      ON_FAILURE = cfg.onFailure;
      KERNEL_COMMAND_LINE = "/proc/cmdline";
    }
  );

  tools = [
    pkgs.bash
    pkgs.btrfs-progs
    pkgs.coreutils
    pkgs.gnused
    pkgs.util-linux
  ];

  programs = package: map (name: "${lib.getBin package}/bin/${name}");

  shell = "${lib.getBin pkgs.bash}/bin/sh";

  # Of all three services. The filesystem's top level is mounted in the folder meanwhile.
  running = folder: script: {
    ExecStart = "${shell} ${script} /etc/nixfleet/wipe.conf";
    RuntimeDirectory = "nixfleet/${folder}";
    RuntimeDirectoryMode = "0700";
    RuntimeDirectoryPreserve = true;
  };

  # Of the two in the initrd.
  oneshot =
    folder: script:
    running folder "/usr/lib/nixfleet/${script}"
    // {
      Type = "oneshot";
      # Else a later transaction of the same boot would start it again.
      RemainAfterExit = true;
      # A log that has to be replayed is a reason to wait, something that hangs is none to stay down.
      TimeoutStartSec = "10min";
      StandardInput = "null";
      StandardOutput = "journal+console";
      StandardError = "journal+console";
    };

  # `/` has nothing but what a boot puts there, so what boots the host must lie elsewhere.
  bootFolder =
    if config.boot.loader.systemd-boot.enable then config.boot.loader.efi.efiSysMountPoint else "/boot";
  isMounted = path: config.fileSystems ? ${path};
in
{
  options.nixfleet.wipe = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether every boot retires the root, the btrfs subvolume that is mounted at `/`, and makes a fresh one.";
    };
    device = mkOption {
      type = types.str;
      default = root.device;
      defaultText = lib.literalExpression ''config.fileSystems."/".device'';
      description = "The btrfs filesystem that holds the root, as `fileSystems` names it.";
    };
    retentionDays = mkOption {
      type = types.ints.between 0 36500;
      default = 30;
      description = "Old roots are deleted when they were retired longer ago, in days: at most a century.";
    };
    keepNewest = mkOption {
      type = types.ints.unsigned;
      default = 3;
      description = "This many of the newest old roots are kept however old they are.";
    };
    onFailure = mkOption {
      type = types.enum [
        "boot"
        "halt"
      ];
      default = "boot";
      description = "When the wipe fails: boot the previous root, loudly, or halt.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.boot.initrd.systemd.enable;
        message = "nixfleet.wipe is a service of systemd's initrd: set boot.initrd.systemd.enable = true.";
      }
      {
        assertion =
          root.fsType == "btrfs" && lib.length (subvolumesOf root) == 1 && subvolume != "";
        message = ''nixfleet.wipe wants a btrfs subvolume at /, by its name: set fileSystems."/".options = [ "subvol=@root" ].'';
      }
      {
        assertion = !lib.any (lib.hasPrefix "${subvolume}/") further;
        message = "nixfleet.wipe would retire what is mounted from a subvolume inside of ${subvolume}: move that beside it.";
      }
      {
        assertion = !lib.any isOwn further;
        message = "nixfleet.wipe makes and deletes the subvolumes old_roots, @root.reserve and ${subvolume}.new itself: mount another one.";
      }
      {
        assertion = isMounted "/nix" || isMounted "/nix/store";
        message = ''nixfleet.wipe would retire the store with the root: give /nix a subvolume of its own, in fileSystems."/nix".'';
      }
      {
        assertion = isMounted bootFolder;
        message = ''nixfleet.wipe would retire what the boot loader reads in ${bootFolder}: give that a filesystem of its own, in fileSystems."${bootFolder}".'';
      }
      {
        assertion = tag == null || builtins.match "[A-Za-z0-9@._+:=-]+" (builtins.elemAt tag 1) != null;
        message = "nixfleet.wipe.device: write the path below /dev/disk in the place of ${cfg.device}.";
      }
    ];

    boot.initrd.systemd = {
      contents = {
        "/usr/lib/nixfleet".source = scripts;
        "/etc/nixfleet/wipe.conf".text = conf;
      };
      # What a PATH names does not come into the initrd by that.
      storePaths =
        programs pkgs.bash [ "sh" ]
        ++ programs pkgs.btrfs-progs [ "btrfs" ]
        ++ programs pkgs.coreutils [
          "date"
          "head"
          "ln"
          "mkdir"
          "mv"
          "stat"
          "sync"
          "tr"
        ]
        ++ programs pkgs.gnused [ "sed" ]
        ++ programs pkgs.util-linux [
          "blkid"
          "mount"
          "umount"
        ];

      services.nixfleet-wipe = {
        description = "Give the host a fresh root";
        # `root=fstab` lets initrd-root-device.target wait for nothing: the device has to be named.
        requires = [
          deviceUnit
          "initrd-root-device.target"
        ];
        # Never before a resume from hibernation has been tried: the image's memory holds the state of this very filesystem.
        after = [
          deviceUnit
          "initrd-root-device.target"
          "local-fs-pre.target"
          "systemd-hibernate-resume.service"
        ];
        before = [
          "initrd-root-fs.target"
          "shutdown.target"
          "sysroot.mount"
        ];
        conflicts = [ "shutdown.target" ];
        wantedBy = lib.optional (cfg.onFailure == "boot") "sysroot.mount";
        requiredBy = lib.optional (cfg.onFailure == "halt") "sysroot.mount";
        path = tools;
        unitConfig = {
          AssertPathExists = "/etc/initrd-release";
          DefaultDependencies = false;
        }
        // lib.optionalAttrs (cfg.onFailure == "halt") { FailureAction = "halt-force"; };
        serviceConfig = oneshot "wipe" "wipe.sh";
      };

      services.nixfleet-room = {
        description = "Make room on the full filesystem";
        # Later, on the running host, whoever filled the filesystem would take what is made.
        after = [ "sysroot.mount" ];
        before = [
          "initrd-fs.target"
          "shutdown.target"
        ];
        conflicts = [ "shutdown.target" ];
        wantedBy = [ "initrd-fs.target" ];
        path = tools;
        unitConfig = {
          AssertPathExists = "/etc/initrd-release";
          # The wipe leaves this file when it had to make room.
          ConditionPathExists = "/run/nixfleet/full";
          DefaultDependencies = false;
        };
        serviceConfig = oneshot "prune" "prune.sh";
      };
    };

    environment.etc."nixfleet/wipe.conf".text = conf;

    systemd.services.nixfleet-prune = {
      description = "Delete the old roots that are due";
      # Not a part of booting: it may take long, and nothing waits for it.
      after = [ "multi-user.target" ];
      wantedBy = [ "multi-user.target" ];
      path = tools;
      serviceConfig = running "prune" "${scripts}/prune.sh" // {
        Type = "exec";
        PrivateMounts = true; # nobody else sees what is mounted meanwhile
        CPUSchedulingPolicy = "idle";
        IOSchedulingClass = "idle";
        Nice = 19;
      };
    };
  };
}
