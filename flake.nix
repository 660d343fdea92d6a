{
  description = "NixFleet's wipe for NixOS: a fresh root on every boot. See nix/README.md.";

  outputs =
    { self }:
    {
      nixosModules = {
        wipe = ./nix/wipe.nix;
        default = self.nixosModules.wipe;
      };
    };
}
