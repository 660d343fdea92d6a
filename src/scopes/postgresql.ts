/** PostgreSQL. Its settings are declared; the cluster is made on the host, at its first start, and is in no closure. */
import { attrsOf } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import { Forced, nixPackage, type OnNixos, type ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

const setting = types.oneOf([types.bool, types.int, types.strMatching(/[^\n]*/, "one line of text")]);

export const postgresql = defineModule(
  {
    options: {
      services: {
        postgresql: {
          enable: mkEnableOption("the PostgreSQL server"),
          version: mkOption({
            type: types.positiveInt,
            default: 17,
            description:
              "The major version, as the Debian release has it. Data of another version is not touched; see pg_upgradecluster(1).",
          }),
          settings: mkOption({
            type: attrsOf(setting),
            default: {},
            example: { listen_addresses: "*", shared_buffers: "1GB" },
            description: "Settings, as in postgresql.conf.",
          }),
          authentication: mkOption({
            type: types.lines,
            default: "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256",
            description: "Who may connect and from where, as in pg_hba.conf.",
          }),
        },
      },
    },
  },
  mkIf(({ services }) => services.postgresql.enable, {
    nixfleet: {
      healthChecks: { postgresql: { command: ["/usr/bin/pg_isready", "--quiet", "--host", "/run/postgresql"] } },
    },
    environment: {
      systemPackages: ({ services }) => [`postgresql-${services.postgresql.version}`],
      etc: ({ services }) => {
        const { version, settings, authentication } = services.postgresql;
        const folder = `postgresql/${version}/main`;
        const lines = Object.entries({ ...placesOf(version), ...settings }).map(
          ([name, value]) => `${name} = ${typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : value}`,
        );
        return {
          [`${folder}/postgresql.conf`]: { text: lines.join("\n") },
          [`${folder}/pg_hba.conf`]: { text: authentication },
          [`${folder}/pg_ident.conf`]: { text: "" },
        };
      },
      persistence: persisted({
        directories: [{ directory: "/var/lib/postgresql", purpose: "PostgreSQL's databases" }],
      }),
    },
    users: { packageUsers: ["postgres"], packageGroups: ["postgres"] },
    systemd: {
      services: ({ services }) => {
        const { version } = services.postgresql;
        const data = `/var/lib/postgresql/${version}`;
        const server = `postgresql@${version}-main.service`;
        return {
          "nixfleet-postgresql": {
            description: "Create the PostgreSQL cluster, once",
            requiredBy: [server],
            before: [server],
            unitConfig: { ConditionPathExists: `!${data}/main` },
            serviceConfig: {
              Type: "oneshot",
              User: "postgres",
              // The cluster appears under its name last and whole, so that a power cut leaves none or a good one.
              ExecStart: [
                `/usr/bin/mkdir -p ${data}`,
                `/usr/bin/rm -rf ${data}/new`,
                `/usr/lib/postgresql/${version}/bin/initdb --pgdata=${data}/new --auth=peer --encoding=UTF8 --locale=C.UTF-8 --data-checksums`,
                `/usr/bin/mv -T ${data}/new ${data}/main`,
                `/usr/bin/sync -f ${data}`,
              ],
            },
          },
        };
      },
    },
  }),
);

/** Where Debian's pg_ctlcluster(1) and clients look. */
function placesOf(version: number): Readonly<Record<string, string>> {
  const folder = `/etc/postgresql/${version}/main`;
  return {
    data_directory: `/var/lib/postgresql/${version}/main`,
    hba_file: `${folder}/pg_hba.conf`,
    ident_file: `${folder}/pg_ident.conf`,
    external_pid_file: `/run/postgresql/${version}-main.pid`,
    unix_socket_directories: "/run/postgresql",
    cluster_name: `${version}/main`,
  };
}

export const postgresqlOnNixos: OnNixos<ScopeConfig<typeof postgresql>> = {
  enabled: ({ services }) => services.postgresql.enable,
  options: ({ services }) => {
    const { version, settings, authentication } = services.postgresql;
    return {
      services: {
        postgresql: {
          enable: true,
          package: nixPackage(`postgresql_${version}`),
          initdbArgs: ["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"],
          settings,
          // NixOS adds lines of its own otherwise.
          authentication: new Forced(authentication),
        },
      },
    };
  },
  packages: /^postgresql-[0-9]+$/,
  etc: /^postgresql\//,
  units: /^nixfleet-postgresql$/,
  paths: () => ({ "/var/lib/postgresql": { user: "postgres", group: "postgres", mode: "0755" } }),
  lost: ({ services }) => [
    `PostgreSQL has its data in /var/lib/postgresql/${services.postgresql.version}, and Debian in its folder main: take databases over by a dump`,
  ],
};
