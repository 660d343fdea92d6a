# The options of nix-community/preservation. What it makes of them, the tests look at themselves.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  optionOr = default: type: mkOption { inherit default type; };

  entry =
    name: hows: mode:
    types.coercedTo types.str (path: { ${name} = path; }) (
      types.submodule (
        { config, ... }:
        let
          isLink = config.how == "symlink" && config.user != "root";
        in
        {
          options = {
            ${name} = mkOption { type = types.path; };
            how = optionOr "bindmount" (types.enum hows);
            user = optionOr "root" types.str;
            group = optionOr "root" types.str;
            mode = optionOr mode types.str;
            configureParent = optionOr isLink types.bool;
            createLinkTarget = optionOr false types.bool;
            inInitrd = optionOr false types.bool;
            mountOptions = optionOr [ ] (types.listOf types.str);
          };
        }
      )
    );
in
{
  options.preservation = {
    enable = optionOr false types.bool;
    preserveAt = optionOr { } (
      types.attrsOf (
        types.submodule (
          { name, ... }: {
          options = {
            persistentStoragePath = optionOr name types.path;
            directories = optionOr [ ] (
              types.listOf (
                entry "directory" [
                  "bindmount"
                  "symlink"
                  "_intermediate"
                ] "0755"
              )
            );
            files = optionOr [ ] (
              types.listOf (
                entry "file" [
                  "bindmount"
                  "symlink"
                ] "0644"
              )
            );
          };
        })
      )
    );
  };
}
