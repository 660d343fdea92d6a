/** The fleet's agent: it asks the control plane what the host should run, and changes it. What it must not forget persists. */
import { listOf } from "../../modules/collections.ts";
import { mkEnableOption, mkOption } from "../../modules/mk-option.ts";
import { mkIf } from "../../modules/properties.ts";
import * as types from "../../modules/types.ts";
import { ownPath } from "../../system/environment.ts";
import { defineModule } from "../../system/options.ts";
import type { OnNixos, ScopeConfig } from "../on-nixos.ts";
import { persisted } from "../persisted.ts";
import { CONFINED, program } from "./confinement.ts";
import { declaredCheck, isOneCheck } from "./health-checks.ts";
import { tagList } from "./tags.ts";

const NAME = "nixfleet-agent";
const FOLDER = "/var/lib/nixfleet";
const [AUTHORITY, TRUST] = ["nixfleet-agent/authority.crt", "nixfleet-agent/release-root.json"];
const url = types.strMatching(/https:\/\/\S+/, "a URL that begins with https://");

export const agent = defineModule(
  {
    options: {
      services: {
        "nixfleet-agent": {
          enable: mkEnableOption("the fleet's agent, with its state in /var/lib/nixfleet"),
          controlPlane: mkOption({
            type: types.nullOr(url),
            default: null,
            example: "https://fleet.example.org:8443",
            description: "The control plane.",
          }),
          authority: mkOption({
            type: ownPath,
            default: "authority.crt",
            description:
              "The control plane's authority.crt, by its path from fleet.ts. The agent believes no other server.",
          }),
          trust: mkOption({
            type: ownPath,
            default: "release-keys/root.json",
            description:
              "The root of signed releases, by its path from fleet.ts. The agent applies what these keys have signed, and nothing else.",
          }),
          contentRepositories: mkOption({
            type: listOf(types.strMatching(/(https?:\/\/|file:\/\/\/)\S+/, "a URL")),
            default: [],
            example: ["https://content.example.org/"],
            description: "Where closures and releases come from. The next is asked when one has nothing right.",
          }),
          interval: mkOption({
            type: types.intBetween(5, 86_400),
            default: 60,
            description: "How often it asks, in seconds, and up to a quarter later, so that not all ask at once.",
          }),
          tags: mkOption({
            type: tagList,
            default: [],
            example: ["web", "site:berlin"],
            description:
              "Tags that the control plane chooses this host by, beside those that `nixfleet machines tag` gives it. They count once the host runs them.",
          }),
          confirm: mkOption({
            type: types.intBetween(30, 86_400),
            default: 360,
            description:
              "How many seconds a new generation has to reach the control plane and pass its checks. Otherwise the host goes back.",
          }),
          maintenanceWindow: mkOption({
            type: types.nullOr(
              types.strMatching(/([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d/, "two times of day"),
            ),
            default: null,
            example: "02:00-05:00",
            description: "When it may reboot, in the host's time. null: at any time.",
          }),
          metrics: mkOption({
            type: types.nullOr(types.absolutePath),
            default: null,
            example: "/var/lib/prometheus/node-exporter/nixfleet.prom",
            description: "A file for Prometheus' node exporter, which it writes in each run.",
          }),
        },
      },
    },
  },
  mkIf(({ services }) => services[NAME].enable, {
    nixfleet: { runtime: { enable: true } },
    assertions: ({ services, nixfleet }) => [
      {
        assertion: services[NAME].controlPlane !== null,
        message: `services.${NAME}.controlPlane is required: the URL of the control plane`,
      },
      {
        assertion: services[NAME].contentRepositories.length > 0,
        message: `services.${NAME}.contentRepositories is required: where closures and releases come from`,
      },
      ...Object.entries(nixfleet.healthChecks).map(([name, check]) => ({
        assertion: isOneCheck(check),
        message: `nixfleet.healthChecks.${JSON.stringify(name)} needs one of unit, url, tcp and command`,
      })),
    ],
    environment: {
      // What pull.sh runs.
      systemPackages: ["ca-certificates", "curl", "zstd"],
      etc: {
        [AUTHORITY]: { source: ({ services }) => services[NAME].authority },
        [TRUST]: { source: ({ services }) => services[NAME].trust },
        "nixfleet-agent/settings.json": {
          text: ({ services, nixfleet, hostSpec }) => {
            const { controlPlane, contentRepositories, interval, tags, confirm, maintenanceWindow, metrics } =
              services[NAME];
            const [start, end] = maintenanceWindow?.split("-") ?? [];
            const settings = {
              version: 1,
              machine: hostSpec.hostName,
              controlPlane,
              authority: `/etc/${AUTHORITY}`,
              trust: `/etc/${TRUST}`,
              contentRepositories,
              interval,
              tags,
              confirm,
              window: maintenanceWindow === null ? null : { start, end },
              checks: Object.entries(nixfleet.healthChecks).map(([name, check]) => declaredCheck(name, check)),
              metrics,
            };
            return JSON.stringify(settings, null, 2);
          },
        },
      },
      persistence: persisted({
        directories: [
          {
            directory: FOLDER,
            mode: "0700",
            purpose: "the agent's certificate, what it trusts, what it was told and what it rejected",
          },
        ],
      }),
    },
    systemd: {
      services: {
        [NAME]: {
          description: "Do what the fleet's control plane wants of this host",
          wants: ["network-online.target"],
          after: ["network-online.target"],
          unitConfig: { ConditionDirectoryNotEmpty: FOLDER, StartLimitIntervalSec: 0 },
          serviceConfig: ({ services }) => ({
            ...CONFINED,
            Type: "exec",
            ExecStart: program("agent", "agent"),
            // Something goes on: it looks again soon, and has no memory meanwhile.
            SuccessExitStatus: 75,
            RestartForceExitStatus: 75,
            RestartSec: 5,
            StateDirectory: "nixfleet",
            StateDirectoryMode: "0700",
            ReadWritePaths: [
              "/run/nixfleet",
              ...(services[NAME].metrics === null ? [] : [`-${folderOf(services[NAME].metrics)}`]),
            ],
            // Scripts that change the host run as units of their own: systemd wants the first of whoever asks for that. The second
            // is for folders that are their users' alone: whether a release would leave data there that nothing declares.
            CapabilityBoundingSet: "CAP_SYS_ADMIN CAP_DAC_READ_SEARCH",
            RestrictAddressFamilies: "AF_INET AF_INET6 AF_UNIX",
            SystemCallFilter: ["@system-service", "~@privileged @resources @mount"],
          }),
        },
      },
      units: {
        [`${NAME}.timer`]: {
          wantedBy: ["timers.target"],
          sections: ({ services }) => ({
            Unit: { Description: "Ask the fleet's control plane what this host should run" },
            Timer: {
              OnBootSec: 10,
              OnUnitInactiveSec: services[NAME].interval,
              RandomizedDelaySec: Math.ceil(services[NAME].interval / 4),
              AccuracySec: "1s",
            },
          }),
        },
      },
    },
  }),
);

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export const agentOnNixos: OnNixos<ScopeConfig<typeof agent>> = {
  enabled: ({ services }) => services[NAME].enable,
  units: /^nixfleet-agent(\.timer)?$/,
  etc: /^nixfleet-agent\//,
  lost: () => ["the agent changes NixFleet hosts: NixOS has its own ways"],
};
