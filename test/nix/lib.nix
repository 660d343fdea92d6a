# As much of nixpkgs' `lib` as the modules here use, written for these tests: what the names mean is in the NixOS manual. An option that is
# not declared, a value of another type and two values that do not agree are errors, as there.
rec {
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    listToAttrs
    mapAttrs
    replaceStrings
    tail
    ;

  concatStrings = concatStringsSep "";
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  unique = foldl' (seen: one: if elem one seen then seen else seen ++ [ one ]) [ ];
  toLower = replaceStrings upper lower;
  getBin = package: package;
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  removePrefix =
    prefix: text:
    if hasPrefix prefix text then builtins.substring (builtins.stringLength prefix) 9999 text else text;
  literalExpression = text: text;

  mkOption = declaration: declaration // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;

  # evalModules { modules, args } → { config }
  evalModules =
    {
      modules,
      args ? { },
    }:
    let
      all' = collect (args // { inherit config; lib = self; }) modules;
      config = evaluate [ ] (foldl' declare { } (map (one: one.options) all')) (
        concatMap (one: pushDown one.config) all'
      );
    in
    {
      inherit config;
    };

  types = rec {
    bool = scalar "true or false" isBool;
    int = scalar "a whole number" isInt;
    ints = {
      unsigned = scalar "a whole number, 0 or more" (value: isInt value && value >= 0);
      between = low: high: scalar "a whole number from ${toString low} to ${toString high}" (
        value: isInt value && value >= low && value <= high
      );
    };
    port = ints.between 0 65535;
    str = scalar "a text" isString;
    path = scalar "an absolute path" (
      value: builtins.isPath value || (isString value && builtins.substring 0 1 value == "/")
    );
    package = str;
    strMatching = pattern: scalar "a text that matches ${pattern}" (
      value: isString value && builtins.match pattern value != null
    );
    enum = values: scalar "one of ${builtins.toJSON values}" (value: elem value values);
    lines = str // {
      merge = place: values: concatStringsSep "\n" (map (value: str.merge place [ value ]) values);
    };
    raw = scalar "anything" (_: true);
    nullOr = type: {
      inherit (type) description;
      check = value: value == null || type.check value;
      merge = place: values: if all (value: value == null) values then null else type.merge place values;
    };
    either = one: other: {
      description = "${one.description}, or ${other.description}";
      check = value: one.check value || other.check value;
      merge = place: values: (if all one.check values then one else other).merge place values;
    };
    oneOf = list: foldl' either (head list) (tail list);
    listOf = type: {
      description = "a list of ${type.description}";
      check = isList;
      merge = place: values: map (value: checked (place ++ [ "*" ]) type [ value ]) (concatLists (map (list: concatMap expand list) values));
    };
    attrsOf = type: {
      description = "a set of ${type.description}";
      check = isAttrs;
      merge =
        place: values:
        mapAttrs (name: found: decided (place ++ [ name ]) { inherit type; } found) (zip (concatMap expand values));
    };
    coercedTo = from: coerce: type: type // {
      check = value: from.check value || type.check value;
      merge = place: values: type.merge place (map (value: if from.check value then coerce value else value) values);
    };
    submodule = module: {
      description = "a set of options";
      check = value: isAttrs value || isFunction value;
      merge =
        place: values:
        (evalModules {
          modules = (if isList module then module else [ module ]) ++ map (value: { config = value; }) values;
          args.name = builtins.elemAt place (length place - 1);
        }).config;
    };
  };

  self = import ./lib.nix;

  lower = characters "abcdefghijklmnopqrstuvwxyz";
  upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  characters = text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);

  scalar = description: check: {
    inherit description check;
    merge =
      place: values:
      if all (value: value == head values) values then
        head values
      else
        throw "${shown place} has conflicting values: ${builtins.toJSON values}";
  };

  # Modules as { options, config }, those that they import first.
  collect =
    args:
    concatMap (
      module:
      let
        value = if isFunction module || isAttrs module then module else import module;
        called = if isFunction value then value args else value;
        whole = called ? options || called ? config || called ? imports;
      in
      collect args (called.imports or [ ])
      ++ [
        {
          options = called.options or { };
          config = if whole then called.config or { } else called;
        }
      ]
    );

  declare =
    one: other:
    one
    // mapAttrs (
      name: value:
      if !(one ? ${name}) then
        value
      else if isOption value || isOption one.${name} then
        throw "the option ${name} is declared twice"
      else
        declare one.${name} value
    ) other;

  isOption = value: value._type or "" == "option";

  # What is left of a definition, with its conditions: a list.
  expand =
    value:
    if value._type or "" == "if" then
      if value.condition then expand value.content else [ ]
    else if value._type or "" == "merge" then
      concatMap expand value.contents
    else
      [ value ];

  # A definition of several options as a list of sets, with its conditions in each value: whether one holds may depend on another.
  pushDown =
    value:
    if value._type or "" == "if" then
      map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if value._type or "" == "merge" then
      concatMap pushDown value.contents
    else
      [ value ];

  evaluate =
    place: options: definitions:
    let
      unknown = filter (name: !(options ? ${name})) (concatMap attrNames definitions);
    in
    if unknown != [ ] then
      throw "there is no option ${shown (place ++ [ (head unknown) ])}"
    else
      mapAttrs (
        name: option:
        let
          here = place ++ [ name ];
          found = map (definition: definition.${name}) (filter (definition: definition ? ${name}) definitions);
        in
        if isOption option then decided here option found else evaluate here option (concatMap pushDown found)
      ) options;

  # The value of an option from all that define it.
  decided =
    place: option: definitions:
    let
      priority = value: if value._type or "" == "override" then value.priority else 100;
      content = value: if value._type or "" == "override" then value.content else value;
      expanded = concatMap expand definitions;
      first = foldl' (least: value: if priority value < least then priority value else least) 9999 expanded;
      values = map content (filter (value: priority value == first) expanded);
      apply = option.apply or (value: value);
    in
    if values != [ ] then
      apply (checked place option.type values)
    else if option ? default then
      apply option.default
    else
      throw "${shown place} is read, and nobody defines it";

  checked =
    place: type: values:
    let
      wrong = filter (value: !(type.check value)) values;
    in
    if wrong == [ ] then
      type.merge place values
    else
      throw "${shown place} wants ${type.description}, and is given ${builtins.toJSON (head wrong)}";

  zip =
    sets:
    listToAttrs (
      map (name: {
        inherit name;
        value = map (set: set.${name}) (filter (set: set ? ${name}) sets);
      }) (unique (concatMap attrNames sets))
    );

  shown = concatStringsSep ".";
}
