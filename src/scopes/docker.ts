/** Docker: containers run by a daemon. */
import { anything, attrsOf } from "../modules/collections.ts";
import { mkIf } from "../modules/definition.ts";
import { mkEnableOption, mkOption } from "../modules/option.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

export const docker = defineModule(
  {
    options: {
      virtualisation: {
        docker: {
          enable: mkEnableOption("Docker. Whoever is in the group docker is as good as root"),
          daemon: {
            settings: mkOption({
              type: attrsOf(anything),
              default: {},
              example: { "log-driver": "journald" },
              description: "Settings of the daemon, as in /etc/docker/daemon.json.",
            }),
          },
        },
      },
    },
  },
  mkIf(({ virtualisation }) => virtualisation.docker.enable, {
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
          { directory: "/var/lib/containerd", mode: "0711", purpose: "what containerd knows of Docker's containers" },
        ],
      }),
    },
    home: {
      persistence: persisted({
        directories: [
          { directory: ".docker", mode: "0700", purpose: "logins to registries of images, Docker's contexts" },
        ],
      }),
    },
  }),
);
