# What `nixfleet import nixos` reads of a NixOS host, as JSON. With a flake:
#
#   nix eval --json .#nixosConfigurations.HOST.config --apply "$(cat export.nix)" >HOST.json
#
# and without one:
#
#   nix-instantiate --eval --strict --json --expr 'import ./export.nix (import <nixpkgs/nixos> { }).config' >HOST.json
#
# It picks what it needs, since a whole set of options has removed ones in it, which throw.
config:
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    filter
    intersectAttrs
    isString
    listToAttrs
    mapAttrs
    removeAttrs
    tryEval
    ;

  pick = names: set: intersectAttrs (listToAttrs (map (name: { inherit name; value = null; }) names)) set;
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  enabledIn = set: filter (name: (tryEval (set.${name}.enable or false == true)).value) (attrNames set);

  owner = pick [
    "group"
    "mode"
    "user"
  ];

  # impermanence, in NixOS and in Home Manager
  impermanenceRoot = home: root: {
    path = root.persistentStoragePath;
    directories = map (
      one:
      owner one
      // {
        path = one.dirPath or (home + one.directory);
        mountOptions =
          (if one.hideMount or root.hideMounts or false then [ "x-gvfs-hide" ] else [ ])
          ++ (if one.allowTrash or root.allowTrash or false then [ "x-gvfs-trash" ] else [ ]);
      }
    ) root.directories;
    files = map (one: {
      path = one.filePath or (home + one.file);
      how = if one.method or "auto" == "symlink" then "symlink" else "auto";
      parent = owner one.parentDirectory;
    }) root.files;
  };
  withUsers =
    root:
    [ (impermanenceRoot "/" root) ]
    ++ map (user: impermanenceRoot "/" (user // pick [ "persistentStoragePath" "hideMounts" "allowTrash" ] root)) (
      attrValues (root.users or { })
    );
  impermanence =
    concatMap withUsers (filter (root: root.enable or true) (attrValues (config.environment.persistence or { })))
    ++ concatMap (
      user: map (impermanenceRoot "${user.home.homeDirectory}/") (attrValues (user.home.persistence or { }))
    ) (attrValues (config.home-manager.users or { }));

  # preservation
  preservedEntry =
    name: one:
    owner one
    // {
      path = one.${name};
      how = if one.how == "symlink" then "symlink" else "bind";
      parent = if one.configureParent or false && one ? parent then owner one.parent else { };
      mountOptions = filter (option: option != "bind" && option != "X-fstrim.notrim") (
        map (
          option:
          if isString option then
            option
          else if option.value or null == null then
            option.name
          else
            "${option.name}=${option.value}"
        ) (one.mountOptions or [ ])
      );
    };
  preservedLists = root: lists: {
    path = root.persistentStoragePath;
    # The other ones stand above what persists.
    directories = map (preservedEntry "directory") (filter (one: one.how != "_intermediate") lists.directories);
    files = map (preservedEntry "file") lists.files;
  };
  preservation =
    if config.preservation.enable or false then
      concatMap (root: map (preservedLists root) ([ root ] ++ attrValues (root.users or { }))) (
        attrValues config.preservation.preserveAt
      )
    else
      [ ];

  # disko
  swapFiles = mapAttrs (
    _:
    pick [
      "options"
      "path"
      "priority"
      "size"
    ]
  );
  withSwap = set: if set.swap or { } == { } then { } else { swap = swapFiles set.swap; };
  mounted = pick [
    "mountOptions"
    "mountpoint"
  ];
  contents = {
    filesystem =
      one:
      mounted one
      // pick [
        "extraArgs"
        "format"
      ] one;
    btrfs =
      one:
      mounted one
      // withSwap one
      // pick [ "extraArgs" ] one
      // {
        subvolumes = mapAttrs (_: volume: mounted volume // withSwap volume) one.subvolumes;
      };
    swap = pick [
      "discardPolicy"
      "extraArgs"
      "mountOptions"
      "priority"
      "randomEncryption"
      "resumeDevice"
    ];
    luks =
      one:
      pick [
        "additionalKeyFiles"
        "extraFormatArgs"
        "extraOpenArgs"
        "name"
        "passwordFile"
      ] one
      // {
        settings = pick [
          "allowDiscards"
          "bypassWorkqueues"
          "crypttabExtraOpts"
          "keyFile"
          "keyFileOffset"
          "keyFileSize"
        ] (one.settings or { });
        content = contentOf one.content;
      };
    gpt = one: {
      partitions = mapAttrs (
        _: part:
        pick [
          "attributes"
          "end"
          "label"
          "priority"
          "size"
          "start"
          "type"
          "uuid"
        ] part
        // {
          content = contentOf part.content;
        }
      ) one.partitions;
    };
  };
  contentOf =
    one: if one == null then null else { inherit (one) type; } // (contents.${one.type} or (_: { })) one;
  disks = mapAttrs (
    _: disk:
    pick [
      "device"
      "imageSize"
    ] disk
    // {
      content = contentOf disk.content;
    }
  ) (config.disko.devices.disk or { });

  hostPlatform = tryEval (config.nixpkgs.hostPlatform.system or config.nixpkgs.hostPlatform);

  users = filterAttrs (name: user: user.isNormalUser or false || name == "root") config.users.users;
in
{
  version = 1;
  hostName = config.networking.hostName;
  # Who set nixpkgs.system instead has none.
  platform = if hostPlatform.success then hostPlatform.value else config.nixpkgs.system;
  timeZone = config.time.timeZone;
  locale = config.i18n.defaultLocale;
  keyMap = if isString config.console.keyMap then config.console.keyMap else null;
  users = mapAttrs (
    _: user:
    pick [
      "description"
      "extraGroups"
      "group"
      "hashedPasswordFile"
      "home"
      "uid"
    ] user
    // {
      shell = if user.shell == null then null else toString (user.shell.shellPath or user.shell);
      keys = user.openssh.authorizedKeys.keys;
    }
  ) users;
  groups = mapAttrs (_: pick [ "gid" ]) config.users.groups;
  inherit disks;
  nodev = mapAttrs (
    _:
    pick [
      "device"
      "fsType"
      "mountOptions"
      "mountpoint"
    ]
  ) (config.disko.devices.nodev or { });
  otherDevices = filter (name: config.disko.devices.${name} or { } != { }) [
    "bcachefs_filesystems"
    "lvm_vg"
    "mdadm"
    "zpool"
  ];
  persistence = impermanence ++ preservation;
  services = enabledIn config.services;
  programs = enabledIn config.programs;
  virtualisation = enabledIn config.virtualisation;
  networkmanager = config.networking.networkmanager.enable or false;
  bluetooth = config.hardware.bluetooth.enable or false;
}
