# What the wipe's module makes of a host, as JSON. Programs are those of the machine on which the tests run: packages are /usr.
{ modules }:
let
  lib = import ./lib.nix;
  inherit (import ./units.nix) unitText escapePath;
  host = lib.evalModules {
    modules = [
      ./options.nix
      ../../nix/wipe.nix
    ]
    ++ modules;
    args = {
      pkgs = builtins.listToAttrs (
        map
          (name: {
            inherit name;
            value = "/usr";
          })
          [
            "bash"
            "btrfs-progs"
            "coreutils"
            "gnused"
            "util-linux"
          ]
      );
      utils.escapeSystemdPath = escapePath;
    };
  };
  inherit (host.config) boot environment systemd;
  units = builtins.mapAttrs (
    _: service: {
      text = unitText service;
      inherit (service) wantedBy requiredBy;
    }
  );
in
{
  failed = map (one: one.message) (builtins.filter (one: !one.assertion) host.config.assertions);
  initrd = {
    units = units boot.initrd.systemd.services;
    inherit (boot.initrd.systemd) storePaths;
    files = builtins.mapAttrs (
      _: file: if file.text == null then { source = "${file.source}"; } else { inherit (file) text; }
    ) boot.initrd.systemd.contents;
  };
  host = {
    units = units systemd.services;
    files = builtins.mapAttrs (_: file: { inherit (file) text; }) environment.etc;
  };
}
