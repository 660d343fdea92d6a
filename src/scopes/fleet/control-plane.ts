/** The control plane of a fleet, on one of its hosts. Its database and its authority persist. */
import { listOf } from "../../modules/collections.ts";
import { mkEnableOption, mkOption } from "../../modules/mk-option.ts";
import { mkIf } from "../../modules/properties.ts";
import * as types from "../../modules/types.ts";
import { defineModule } from "../../system/options.ts";
import type { OnNixos, ScopeConfig } from "../on-nixos.ts";
import { persisted } from "../persisted.ts";
import { CONFINED, program } from "./confinement.ts";

const NAME = "nixfleet-control-plane";
const USER = "nixfleet-cp";
const FOLDER = "/var/lib/nixfleet-cp";
const days = types.intBetween(1, 36_500);

export const controlPlane = defineModule(
  {
    options: {
      services: {
        "nixfleet-control-plane": {
          enable: mkEnableOption("the fleet's control plane, with its state in /var/lib/nixfleet-cp"),
          listen: mkOption({
            type: types.strMatching(/\S+:\d{1,5}/, "an address and a port, such as 0.0.0.0:8443"),
            default: "0.0.0.0:8443",
            description: "Where it listens. Every name and address that reaches it there has to be in `names`.",
          }),
          names: mkOption({
            type: listOf(types.strMatching(/[^\s-]\S*/, "a host name or an IP address")),
            default: [],
            example: ["fleet.example.org", "192.0.2.10"],
            description:
              "The names and addresses that agents and operators reach it by: its certificate is for these. Without any it is for the host's name and localhost.",
          }),
          database: mkOption({
            type: types.nullOr(
              types.strMatching(/postgres(ql)?:\/\/[^\s:@]*(@|$|\/)\S*/, "postgres://… without a password"),
            ),
            default: null,
            example: "postgres://fleet@db.example.org/fleet",
            description: "A PostgreSQL database for several instances. null: SQLite in its state folder.",
          }),
          databaseFile: mkOption({
            type: types.nullOr(types.absolutePath),
            default: null,
            example: "/persist/secrets/control-plane",
            description:
              "A file on a persist root with the line NIXFLEET_DATABASE=postgres://…, for a URL with a password.",
          }),
          askEvery: mkOption({
            type: types.intBetween(5, 3600),
            default: 60,
            description: "How often an agent asks what to run, in seconds. While a rollout is on it asks more often.",
          }),
          retention: {
            events: mkOption({ type: days, default: 30, description: "How many days it keeps what machines said." }),
            audit: mkOption({ type: days, default: 365, description: "How many days it keeps who changed what." }),
            rollouts: mkOption({
              type: days,
              default: 90,
              description:
                "How many days it keeps rollouts that are over, and releases of no rollout. The newest 20 of each stay.",
            }),
          },
        },
      },
    },
  },
  mkIf(({ services }) => services[NAME].enable, {
    nixfleet: { runtime: { enable: true } },
    users: { users: { [USER]: { isNormalUser: false, description: "NixFleet's control plane" } } },
    systemd: {
      services: {
        [NAME]: {
          description: "The fleet's control plane",
          wantedBy: ["multi-user.target"],
          wants: ["network-online.target"],
          after: ["network-online.target"],
          serviceConfig: ({ services }) => {
            const { listen, names, database, databaseFile, askEvery, retention } = services[NAME];
            // Ports below 1024 are root's.
            const bind = Number(listen.split(":").at(-1)) < 1024 ? "CAP_NET_BIND_SERVICE" : "";
            return {
              ...CONFINED,
              ExecStart: program(
                "control-plane",
                ...["control-plane", "--state", FOLDER, "--first-key-file", `${FOLDER}/first-key`],
                ...["--listen", listen, "--ask-every", `${askEvery}`],
                ...["--keep-events", `${retention.events}`, "--keep-audit", `${retention.audit}`],
                ...["--keep-rollouts", `${retention.rollouts}`],
                ...(database === null ? [] : ["--database", database]),
                ...(names.length === 0 ? [] : ["--name", ...names]),
              ),
              ...(databaseFile === null ? {} : { EnvironmentFile: databaseFile }),
              User: USER,
              StateDirectory: "nixfleet-cp",
              StateDirectoryMode: "0700",
              Restart: "on-failure",
              RestartSec: 5,
              AmbientCapabilities: bind,
              CapabilityBoundingSet: bind,
              PrivateUsers: bind === "",
              ProcSubset: "pid",
              RestrictAddressFamilies: "AF_INET AF_INET6 AF_UNIX",
              SystemCallFilter: ["@system-service", "~@privileged @resources"],
            };
          },
        },
      },
    },
    environment: {
      persistence: persisted({
        directories: [
          {
            directory: FOLDER,
            user: USER,
            group: USER,
            mode: "0700",
            purpose: "the control plane's database, and its authority's key",
          },
        ],
      }),
    },
  }),
);

export const controlPlaneOnNixos: OnNixos<ScopeConfig<typeof controlPlane>> = {
  enabled: ({ services }) => services[NAME].enable,
  units: /^nixfleet-control-plane$/,
  lost: () => [
    "the control plane runs on a NixFleet host, or by hand with nixfleet control-plane: not as a service here",
  ],
};
