# A service as the text of its unit, as NixOS writes it, and a path as the name of one.
let
  lib = import ./lib.nix;

  lines =
    section:
    lib.concatStrings (
      lib.concatLists (
        lib.mapAttrsToList (
          name: value: map (one: "${name}=${text one}\n") (if lib.isList value then value else [ value ])
        ) section
      )
    );

  text =
    value:
    if lib.isBool value then
      (if value then "true" else "false")
    else
      toString value;

  words = name: list: lib.optionalAttrs (list != [ ]) { ${name} = lib.concatStringsSep " " list; };

  plain = lib.concatStrings (
    lib.concatLists [
      [ "abcdefghijklmnopqrstuvwxyz" ]
      [ "ABCDEFGHIJKLMNOPQRSTUVWXYZ" ]
      [ "0123456789:_." ]
    ]
  );
  bytes = text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);
  escaped = {
    "/" = "-";
    "-" = "\\x2d";
    "@" = "\\x40";
    "+" = "\\x2b";
    "=" = "\\x3d";
    " " = "\\x20";
  };
in
{
  unitText =
    service:
    let
      environment =
        service.environment
        // lib.optionalAttrs (service.path != [ ]) {
          PATH = lib.concatStringsSep ":" (
            lib.unique (lib.concatMap (one: [ "${one}/bin" "${one}/sbin" ]) service.path)
          );
        };
    in
    ''
      [Unit]
      ${lines (
        {
          Description = service.description;
        }
        // words "Requires" service.requires
        // words "Wants" service.wants
        // words "After" service.after
        // words "Before" service.before
        // words "Conflicts" service.conflicts
        // service.unitConfig
      )}
      [Service]
      ${lib.concatStrings (
        lib.mapAttrsToList (name: value: "Environment=${builtins.toJSON "${name}=${value}"}\n") environment
      )}${lines service.serviceConfig}'';

  # As systemd-escape(1) `--path` does, of the characters that these tests have.
  escapePath =
    path:
    lib.concatStrings (
      map (
        character:
        escaped.${character} or (if lib.elem character (bytes plain) then character else throw "not escaped here: ${path}")
      ) (bytes (builtins.substring 1 9999 path))
    );
}
