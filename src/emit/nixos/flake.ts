/** A fleet as a NixOS flake. */
import type { HostOnNixos, Persistence } from "./host.ts";
import { nixName } from "./nix.ts";
import { RELEASE } from "./system.ts";

export interface EmittedFile {
  /** From the folder of the flake. */
  readonly path: string;
  readonly text: string;
}

export function flakeFiles(hosts: ReadonlyMap<string, HostOnNixos>, persistence: Persistence): readonly EmittedFile[] {
  return [
    { path: "flake.nix", text: flakeText([...hosts.keys()], persistence) },
    ...[...hosts].map(([name, { module }]) => ({ path: `hosts/${name}.nix`, text: module })),
  ];
}

function flakeText(hosts: readonly string[], persistence: Persistence): string {
  return `{
  description = "NixOS hosts, written by nixfleet emit nixos";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-${RELEASE}";
    disko = {
      url = "github:nix-community/disko";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    ${persistence}.url = "github:nix-community/${persistence}";
  };

  outputs =
    {
      nixpkgs,
      disko,
      ${persistence},
      ...
    }:
    {
${hosts.map((name) => hostText(name, persistence)).join("")}    };
}
`;
}

function hostText(name: string, persistence: Persistence): string {
  return `      nixosConfigurations.${nixName(name)} = nixpkgs.lib.nixosSystem {
        modules = [
          disko.nixosModules.disko
          ${persistence}.nixosModules.${persistence}
          ./nixfleet/nix/wipe.nix
          ./hosts/${name}.nix
        ];
      };
`;
}
