/** The services of a fleet: its agent on each host, its control plane on one. Their programs are given. */
import { listOf } from "../modules/collections.ts";
import { mkIf, mkMerge } from "../modules/definition.ts";
import { type ConfigOf, mkEnableOption, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import { persisted } from "./persisted.ts";

const command = mkOption({
  type: listOf(types.strMatching(/[^\n]+/, "one line of text")),
  default: [],
  example: ["/usr/bin/node", "/etc/agent/main.js"],
  description: "The program and its arguments. It runs in the folder of its state.",
});

const options = {
  services: {
    "nixfleet-agent": { enable: mkEnableOption("the fleet's agent; its state is in /var/lib/nixfleet"), command },
    "nixfleet-control-plane": {
      enable: mkEnableOption("the fleet's control plane; its state is in /var/lib/nixfleet-cp"),
      command,
    },
  },
} as const;

type FleetServices = ConfigOf<typeof options>;

export const fleetServices = defineModule(
  { options },
  mkMerge([
    service("nixfleet-agent", "nixfleet", "The fleet's agent"),
    service("nixfleet-control-plane", "nixfleet-cp", "The fleet's control plane"),
  ]),
);

function service(name: keyof FleetServices["services"], state: string, description: string) {
  const folder = `/var/lib/${state}`;
  return mkIf(({ services }: FleetServices) => services[name].enable, {
    assertions: ({ services }: FleetServices) => [
      {
        assertion: services[name].command[0]?.startsWith("/") === true,
        message: `services.${name}.command is required, and begins with the absolute path of a program`,
      },
    ],
    systemd: {
      services: {
        [name]: {
          description,
          wantedBy: ["multi-user.target"],
          wants: ["network-online.target"],
          after: ["network-online.target"],
          serviceConfig: {
            ExecStart: ({ services }: FleetServices) => services[name].command.map(quoted).join(" "),
            StateDirectory: state,
            StateDirectoryMode: "0700",
            WorkingDirectory: folder,
            Restart: "on-failure",
            RestartSec: 5,
          },
        },
      },
    },
    environment: {
      persistence: persisted({
        directories: [{ directory: folder, mode: "0700", purpose: `${description}: its state, an SQLite database` }],
      }),
    },
  });
}

/** An argument as ExecStart= reads it, see systemd.service(5). */
function quoted(argument: string): string {
  return `"${argument.replace(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}
