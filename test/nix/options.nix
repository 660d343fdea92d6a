# Those of NixOS' options that the modules here set, with their types: https://search.nixos.org/options has them all.
{ lib, ... }:
let
  inherit (lib) mkOption types;

  option = type: mkOption { inherit type; };
  optionOr = default: type: mkOption { inherit default type; };
  flag = optionOr false types.bool;
  list = optionOr [ ] (types.listOf types.str);
  single = types.oneOf [
    types.bool
    types.int
    types.str
  ];
  section = optionOr { } (types.attrsOf (types.either single (types.listOf single)));
  setOf = options: optionOr { } (types.attrsOf (types.submodule { inherit options; }));
  text = optionOr null (types.nullOr types.lines);
  textOr = default: optionOr default types.str;

  relations = {
    enable = optionOr true types.bool;
    requiredBy = list;
    wantedBy = list;
  };

  services = setOf (
    relations
    // {
      description = textOr "";
      after = list;
      before = list;
      conflicts = list;
      requires = list;
      wants = list;
      environment = optionOr { } (types.attrsOf types.str);
      path = optionOr [ ] (types.listOf types.package);
      unitConfig = section;
      serviceConfig = section;
    }
  );

  files = setOf {
    inherit text;
    source = optionOr null (types.nullOr types.path);
    mode = textOr "symlink";
  };

  exporter = {
    enable = flag;
    port = optionOr 9100 types.port;
    extraFlags = list;
  };

  range = start: optionOr [ ] (
    types.listOf (
      types.submodule {
        options = {
          ${start} = option types.int;
          count = optionOr 1 types.int;
        };
      }
    )
  );
in
{
  options = {
    assertions = optionOr [ ] (types.listOf types.raw);
    fileSystems = setOf {
      device = optionOr null (types.nullOr types.str);
      fsType = textOr "auto";
      options = list;
      neededForBoot = flag;
    };
    swapDevices = optionOr [ ] (types.listOf types.raw);

    networking = {
      hostName = option types.str;
      useDHCP = optionOr true types.bool;
      useNetworkd = flag;
      firewall.enable = optionOr true types.bool;
      nftables.enable = flag;
      networkmanager.enable = flag;
    };
    time.timeZone = optionOr null (types.nullOr types.str);
    i18n.defaultLocale = textOr "en_US.UTF-8";
    console.keyMap = textOr "us";
    nixpkgs.hostPlatform = option types.str;
    system.stateVersion = option types.str;
    hardware = {
      enableAllHardware = flag;
      bluetooth = {
        enable = flag;
        powerOnBoot = optionOr true types.bool;
      };
    };

    boot = {
      initrd = {
        kernelModules = list;
        luks.devices = optionOr { } (types.attrsOf types.raw);
        systemd = {
          enable = flag;
          emergencyAccess = optionOr false (types.either types.bool types.str);
          contents = files;
          storePaths = optionOr [ ] (types.listOf types.path);
          inherit services;
        };
      };
      loader = {
        timeout = optionOr 5 (types.nullOr types.int);
        systemd-boot = {
          enable = flag;
          configurationLimit = optionOr null (types.nullOr types.int);
        };
        grub = {
          enable = flag;
          configurationLimit = optionOr 100 types.int;
          device = textOr "";
        };
        efi = {
          efiSysMountPoint = textOr "/boot";
          canTouchEfiVariables = flag;
        };
      };
      resumeDevice = textOr "";
      kernelParams = list;
      kernelModules = list;
      kernel.sysctl = optionOr { } (types.attrsOf single);
    };

    environment = {
      etc = files;
      extraInit = optionOr "" types.lines;
      systemPackages = optionOr [ ] (types.listOf types.package);
    };
    systemd = {
      inherit services;
      suppressedSystemUnits = list;
      units = setOf (relations // { inherit text; });
    };

    users = {
      mutableUsers = optionOr true types.bool;
      allowNoPasswordLogin = flag;
      groups = setOf {
        gid = optionOr null (types.nullOr types.int);
        members = list;
      };
      users = setOf {
        isNormalUser = flag;
        isSystemUser = flag;
        uid = optionOr null (types.nullOr types.int);
        group = textOr "";
        extraGroups = list;
        description = textOr "";
        home = optionOr "/var/empty" types.path;
        createHome = flag;
        shell = optionOr null (types.nullOr types.path);
        hashedPasswordFile = optionOr null (types.nullOr types.str);
        openssh.authorizedKeys.keys = list;
        subUidRanges = range "startUid";
        subGidRanges = range "startGid";
      };
    };

    security.acme = {
      acceptTerms = flag;
      defaults = {
        email = optionOr null (types.nullOr types.str);
        server = optionOr null (types.nullOr types.str);
      };
    };
    services = {
      atd.enable = flag;
      cron.enable = flag;
      fail2ban = {
        enable = flag;
        bantime = textOr "10m";
        maxretry = optionOr 3 types.ints.unsigned;
      };
      fwupd.enable = flag;
      nginx = {
        enable = flag;
        virtualHosts = setOf {
          serverAliases = list;
          root = optionOr null (types.nullOr types.path);
          locations = setOf {
            proxyPass = optionOr null (types.nullOr types.str);
            recommendedProxySettings = flag;
          };
          enableACME = flag;
          forceSSL = flag;
          sslCertificate = optionOr null (types.nullOr types.path);
          sslCertificateKey = optionOr null (types.nullOr types.path);
          extraConfig = optionOr "" types.lines;
        };
      };
      openssh = {
        enable = flag;
        ports = optionOr [ 22 ] (types.listOf types.port);
        hostKeys = optionOr [ ] (types.listOf (types.attrsOf single));
        settings = {
          PermitRootLogin = optionOr "prohibit-password" (
            types.enum [
              "yes"
              "without-password"
              "prohibit-password"
              "forced-commands-only"
              "no"
            ]
          );
          PasswordAuthentication = optionOr true types.bool;
        };
      };
      postgresql = {
        enable = flag;
        package = optionOr "" types.package;
        initdbArgs = list;
        settings = optionOr { } (types.attrsOf single);
        authentication = optionOr "" types.lines;
      };
      printing.enable = flag;
      prometheus.exporters.node = exporter;
      resolved.enable = flag;
      tailscale.enable = flag;
    };
    programs = {
      firefox = {
        enable = flag;
        package = optionOr "" types.package;
      };
      fish.enable = flag;
      neovim.enable = flag;
      thunderbird.enable = flag;
      zsh = {
        enable = flag;
        histFile = textOr "$HOME/.zsh_history";
        histSize = optionOr 2000 types.int;
        shellInit = optionOr "" types.lines;
      };
    };
    virtualisation = {
      docker = {
        enable = flag;
        daemon.settings = optionOr { } (types.attrsOf types.raw);
      };
      libvirtd.enable = flag;
      podman.enable = flag;
    };
  };
}
