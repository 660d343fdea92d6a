/** Logging in from afar. The host's keys are made on the host, at its first start, and are in no closure. */
import { listOf } from "../modules/collections.ts";
import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

const KEYS = "/etc/ssh/host-keys";
const KEY = "ssh_host_ed25519_key";

export const openssh = defineModule(
  {
    options: {
      services: {
        openssh: {
          enable: mkEnableOption("the OpenSSH server"),
          ports: mkOption({ type: listOf(types.port), default: [22], description: "The TCP ports it listens on." }),
          settings: {
            PermitRootLogin: mkOption({
              type: types.enum(["yes", "no", "prohibit-password"]),
              default: "prohibit-password",
              description: "Whether root may log in.",
            }),
            PasswordAuthentication: mkOption({
              type: types.bool,
              default: false,
              description: "Whether a password is enough to log in.",
            }),
          },
        },
      },
    },
  },
  mkIf(({ services }) => services.openssh.enable, {
    nixfleet: {
      healthChecks: ({ services }) => ({ ssh: { tcp: `localhost:${services.openssh.ports[0] ?? 22}` } }),
    },
    environment: {
      systemPackages: ["openssh-server"],
      etc: {
        "ssh/sshd_config.d/nixfleet.conf": {
          text: ({ services }) => {
            const { ports, settings } = services.openssh;
            return [
              ...ports.map((port) => `Port ${port}`),
              `HostKey ${KEYS}/${KEY}`,
              "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys.d/%u",
              `PermitRootLogin ${settings.PermitRootLogin}`,
              `PasswordAuthentication ${settings.PasswordAuthentication ? "yes" : "no"}`,
            ].join("\n");
          },
        },
      },
      persistence: persisted({
        directories: [{ directory: KEYS, mode: "0700", purpose: "the SSH server's own keys" }],
      }),
    },
    systemd: {
      services: {
        "nixfleet-ssh-host-keys": {
          description: "Create the SSH server's keys, once",
          wantedBy: ["ssh.service"],
          before: ["ssh.service"],
          unitConfig: { ConditionPathExists: `!${KEYS}/${KEY}` },
          serviceConfig: {
            Type: "oneshot",
            // The key appears under its name last and whole, so that a power cut leaves none or a good one.
            ExecStart: [
              `/usr/bin/mkdir -p -m 0700 ${KEYS}`,
              `/usr/bin/rm -rf ${KEYS}/new`,
              `/usr/bin/mkdir -m 0700 ${KEYS}/new`,
              `/usr/bin/ssh-keygen -q -t ed25519 -N "" -C "" -f ${KEYS}/new/${KEY}`,
              `/usr/bin/sync ${KEYS}/new/${KEY} ${KEYS}/new/${KEY}.pub`,
              `/usr/bin/mv ${KEYS}/new/${KEY}.pub ${KEYS}/new/${KEY} ${KEYS}/`,
              `/usr/bin/sync -f ${KEYS}`,
              `/usr/bin/rmdir ${KEYS}/new`,
            ],
          },
        },
      },
    },
  }),
);

export const opensshOnNixos: OnNixos<ScopeConfig<typeof openssh>> = {
  enabled: ({ services }) => services.openssh.enable,
  options: ({ services }) => ({
    services: {
      openssh: {
        enable: true,
        ports: services.openssh.ports,
        hostKeys: [{ path: `${KEYS}/${KEY}`, type: "ed25519" }],
        settings: {
          PermitRootLogin: services.openssh.settings.PermitRootLogin,
          PasswordAuthentication: services.openssh.settings.PasswordAuthentication,
        },
      },
    },
  }),
  packages: ["openssh-server"],
  etc: /^ssh\/sshd_config\.d\/nixfleet\.conf$/,
  units: /^nixfleet-ssh-host-keys$/,
};
