# What nix/export.nix says of the hosts of an emitted flake, as JSON.
arguments: builtins.mapAttrs (_: import ../../nix/export.nix) (import ./fleet.nix arguments)
