/** Bans addresses from which somebody guesses passwords. */

import { mkEnableOption, mkOption } from "../modules/mk-option.ts";
import { mkIf } from "../modules/properties.ts";
import * as types from "../modules/types.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";
import { persisted } from "./persisted.ts";

export const fail2ban = defineModule(
  {
    options: {
      services: {
        fail2ban: {
          enable: mkEnableOption("fail2ban, which bans addresses that guess SSH passwords"),
          bantime: mkOption({
            type: types.strMatching(/-?[0-9]+[a-z]{0,2}/, "a time such as 10m, 1h or 1d"),
            default: "10m",
            description: "How long an address is banned.",
          }),
          maxretry: mkOption({
            type: types.positiveInt,
            default: 3,
            description: "Failures before an address is banned.",
          }),
        },
      },
    },
  },
  mkIf(({ services }) => services.fail2ban.enable, {
    environment: {
      systemPackages: ["fail2ban", "nftables", "python3-systemd"],
      etc: {
        "fail2ban/jail.d/nixfleet.conf": {
          text: ({ services }) =>
            `[DEFAULT]\nbantime = ${services.fail2ban.bantime}\nmaxretry = ${services.fail2ban.maxretry}`,
        },
      },
      persistence: persisted({
        directories: [{ directory: "/var/lib/fail2ban", purpose: "banned addresses, and how often each was banned" }],
      }),
    },
  }),
);

export const fail2banOnNixos: OnNixos<ScopeConfig<typeof fail2ban>> = {
  enabled: ({ services }) => services.fail2ban.enable,
  options: ({ services }) => ({
    // What it bans with; a packet filter of its own this does not make.
    networking: { nftables: { enable: true } },
    services: {
      fail2ban: { enable: true, bantime: services.fail2ban.bantime, maxretry: services.fail2ban.maxretry },
    },
  }),
  packages: ["fail2ban", "nftables", "python3-systemd"],
  etc: /^fail2ban\/jail\.d\/nixfleet\.conf$/,
};
