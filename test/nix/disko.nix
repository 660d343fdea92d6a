# As much of nix-community/disko as the hosts here declare: its options, and what they make of a host's file systems.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;

  option = type: mkOption { inherit type; };
  optionOr = default: type: mkOption { inherit default type; };
  list = optionOr [ ] (types.listOf types.str);
  nullable = type: optionOr null (types.nullOr type);
  size = types.strMatching "[0-9]+[KMGTP]?";

  swap = optionOr { } (
    types.attrsOf (
      types.submodule {
        options = {
          inherit priority;
          size = option size;
          options = list;
        };
      }
    )
  );
  priority = nullable types.int;

  mounted = {
    mountpoint = nullable types.path;
    mountOptions = list;
  };

  contents = {
    filesystem = mounted // {
      format = option types.str;
      extraArgs = list;
    };
    btrfs = mounted // {
      inherit swap;
      extraArgs = list;
      subvolumes = optionOr { } (types.attrsOf (types.submodule { options = mounted // { inherit swap; }; }));
    };
    swap = {
      inherit priority;
      discardPolicy = nullable types.str;
      extraArgs = list;
      mountOptions = list;
      randomEncryption = optionOr false types.bool;
      resumeDevice = optionOr false types.bool;
    };
    luks = {
      name = option types.str;
      passwordFile = nullable types.path;
      additionalKeyFiles = optionOr [ ] (types.listOf types.path);
      settings = optionOr { } (types.attrsOf types.raw);
      extraFormatArgs = list;
      initrdUnlock = optionOr true types.bool;
      extraOpenArgs = list;
      content = optionOr null (types.nullOr content);
    };
  };

  content = {
    description = "the content of a partition";
    check = value: lib.isAttrs value && contents ? ${value.type};
    merge =
      place: values:
      (types.submodule {
        options = contents.${(lib.head values).type} // {
          type = option types.str;
        };
      }).merge
        place
        values;
  };

  partition = types.submodule {
    options = {
      priority = optionOr 1000 types.int;
      type = optionOr "8300" types.str;
      label = nullable types.str;
      uuid = nullable types.str;
      start = optionOr "0" types.str;
      end = nullable types.str;
      size = optionOr "0" (types.either (types.enum [ "100%" ]) size);
      attributes = optionOr [ ] (types.listOf types.int);
      content = optionOr null (types.nullOr content);
    };
  };

  disk = types.submodule {
    options = {
      type = option (types.enum [ "disk" ]);
      device = option types.path;
      imageSize = nullable size;
      content = {
        type = option (types.enum [ "gpt" ]);
        partitions = option (types.attrsOf partition);
      };
    };
  };

  nodev = types.submodule (
    { name, ... }:
    {
      options = {
        fsType = option types.str;
        device = optionOr "none" types.str;
        mountpoint = optionOr name types.path;
        mountOptions = list;
      };
    }
  );

  at = device: fsType: options: one: {
    fileSystems = lib.optionalAttrs (one.mountpoint != null) {
      ${one.mountpoint} = {
        inherit device fsType;
        options = one.mountOptions ++ options;
      };
    };
  };

  makes =
    device: content:
    if content == null then
      [ ]
    else
      {
        filesystem = [ (at device content.format [ ] content) ];
        btrfs = [
          (at device "btrfs" [ ] content)
        ]
        ++ lib.mapAttrsToList (name: at device "btrfs" [ "subvol=${name}" ]) content.subvolumes;
        swap = [
          {
            swapDevices = [ { inherit device; } ];
            boot = lib.optionalAttrs content.resumeDevice { resumeDevice = device; };
          }
        ];
        luks = [
          {
            boot.initrd.luks.devices = lib.optionalAttrs content.initrdUnlock {
              ${content.name} = content.settings // { inherit device; };
            };
          }
        ]
        ++ makes "/dev/mapper/${content.name}" content.content;
      }
      .${content.type};

  deviceOf =
    disk: name: one: if one.uuid == null then "/dev/disk/by-partlabel/${if one.label == null then "disk-${disk}-${name}" else one.label}" else "/dev/disk/by-partuuid/${one.uuid}";

  found = lib.concatLists (
    lib.concatLists (
      lib.mapAttrsToList (
        disk: one: lib.mapAttrsToList (name: inner: makes (deviceOf disk name inner) inner.content) one.content.partitions
      ) config.disko.devices.disk
    )
  );
in
{
  options.disko.devices = {
    disk = optionOr { } (types.attrsOf disk);
    nodev = optionOr { } (types.attrsOf nodev);
  };

  config = {
    fileSystems = lib.mkMerge (
      map (one: one.fileSystems or { }) found
      ++ map (one: (at (if one.fsType == "none" then one.device else one.fsType) one.fsType [ ] one).fileSystems) (
        lib.attrValues config.disko.devices.nodev
      )
    );
    swapDevices = lib.concatMap (one: one.swapDevices or [ ]) found;
    boot = lib.mkMerge (map (one: one.boot or { }) found);
  };
}
