# An emitted flake's hosts, as JSON: every option of the stub, evaluated to its depths.
{ folder, packages }:
let
  lib = import ./lib.nix;
  inherit (import ./units.nix) escapePath;

  pkgs = lib.listToAttrs (
    map (name: {
      inherit name;
      value = "/packages/${name}";
    }) packages
  );

  nixpkgs.lib.nixosSystem =
    { modules }:
    lib.evalModules {
      modules = [ ./options.nix ] ++ modules;
      args = {
        inherit pkgs;
        utils.escapeSystemdPath = escapePath;
      };
    };

  inputs = {
    inherit nixpkgs;
    disko.nixosModules.disko = ./disko.nix;
    preservation.nixosModules.preservation = ./preservation.nix;
    impermanence.nixosModules.impermanence = ./impermanence.nix;
  };

  flake = import (folder + "/flake.nix");
  unknown = lib.filter (name: !(inputs ? ${name})) (lib.attrNames flake.inputs);
  outputs =
    if unknown == [ ] then flake.outputs (inputs // { self = outputs; }) else throw "unknown input ${lib.head unknown}";
in
builtins.mapAttrs (
  _: { config }:
  config
  // {
    failed = map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
  }
) outputs.nixosConfigurations
