# The options of nix-community/impermanence. What it makes of them, the tests look at themselves.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  optionOr = default: type: mkOption { inherit default type; };

  owner = user: group: {
    user = optionOr user types.str;
    group = optionOr group types.str;
    mode = optionOr "0755" types.str;
  };

  lists = user: group: home: {
    directories = optionOr [ ] (
      types.listOf (
        types.coercedTo types.str (directory: { inherit directory; }) (
          types.submodule ({ config, ... }: {
            options = owner user group // {
              directory = mkOption { type = types.str; };
              dirPath = optionOr (home + config.directory) types.path;
              hideMount = optionOr false types.bool;
              allowTrash = optionOr false types.bool;
            };
          })
        )
      )
    );
    files = optionOr [ ] (
      types.listOf (
        types.coercedTo types.str (file: { inherit file; }) (
          types.submodule ({ config, ... }: {
            options = {
              file = mkOption { type = types.str; };
              filePath = optionOr (home + config.file) types.path;
              method = optionOr "auto" (
                types.enum [
                  "auto"
                  "symlink"
                ]
              );
              parentDirectory = owner user group;
            };
          })
        )
      )
    );
  };
in
{
  options.environment.persistence = optionOr { } (
    types.attrsOf (
      types.submodule (
        { name, ... }:
        {
        options = lists "root" "root" "" // {
          enable = optionOr true types.bool;
          persistentStoragePath = optionOr name types.path;
          users = optionOr { } (
            types.attrsOf (
              types.submodule (
                { name, ... }: {
                  options =
                    let
                      account = config.users.users.${name} or { };
                    in
                    lists name (account.group or "root") "${account.home or "/root"}/";
                }
              )
            )
          );
        };
      })
    )
  );
}
