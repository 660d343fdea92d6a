/** Docker: containers run by a daemon. */
import { anything, attrsOf } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import { asNix, type OnNixos, type ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const docker = defineModule(
  {
    options: {
      virtualisation: {
        docker: {
          enable: mkEnableOption("Docker. A member of the group docker is as powerful as root"),
          daemon: {
            settings: mkOption({
              type: attrsOf(anything),
              default: {},
              example: { "log-driver": "journald" },
              description: "Settings of the Docker daemon, as in /etc/docker/daemon.json.",
            }),
          },
        },
      },
    },
  },
  mkIf(({ virtualisation }) => virtualisation.docker.enable, {
    nixfleet: {
      healthChecks: { docker: { command: ["/usr/bin/docker", "version", "--format", "{{.Server.Version}}"] } },
    },
    environment: {
      systemPackages: ["ca-certificates", "docker-cli", "docker.io", "iptables"],
      etc: {
        "docker/daemon.json": {
          text: ({ virtualisation }) => JSON.stringify(virtualisation.docker.daemon.settings, null, 2),
        },
      },
      persistence: persisted({
        directories: [
          { directory: "/var/lib/docker", mode: "0710", purpose: "Docker's images, containers and volumes" },
          { directory: "/var/lib/containerd", mode: "0711", purpose: "containerd's state of Docker's containers" },
        ],
      }),
    },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".docker", mode: "0700", purpose: "logins to image registries, and Docker's contexts" },
        ],
      }),
    },
  }),
);

export const dockerOnNixos: OnNixos<ScopeConfig<typeof docker>> = {
  enabled: ({ virtualisation }) => virtualisation.docker.enable,
  options: ({ virtualisation }) => ({
    virtualisation: { docker: { enable: true, daemon: { settings: asNix(virtualisation.docker.daemon.settings) } } },
  }),
  packages: ["docker-cli", "docker.io", "iptables"],
  etc: /^docker\/daemon\.json$/,
  groups: { docker: "docker" },
  // Docker there runs a containerd of its own, below /var/lib/docker.
  paths: () => ({ "/var/lib/containerd": null }),
};
