/** Every scope. All are part of every host, and do nothing until they are enabled. */
import type { OptionsOf } from "../modules/module.ts";
import { atd } from "./atd.ts";
import { base } from "./base.ts";
import { bluetooth } from "./bluetooth.ts";
import { chromium } from "./chromium.ts";
import { cron } from "./cron.ts";
import { debian } from "./debian.ts";
import { docker } from "./docker.ts";
import { fail2ban } from "./fail2ban.ts";
import { firefox } from "./firefox.ts";
import { fish } from "./fish.ts";
import { agent } from "./fleet/agent.ts";
import { controlPlane } from "./fleet/control-plane.ts";
import { fwupd } from "./fwupd.ts";
import { gh } from "./gh.ts";
import { home } from "./home.ts";
import { impermanence } from "./impermanence.ts";
import { libvirtd } from "./libvirtd.ts";
import { neovim } from "./neovim.ts";
import { network } from "./network.ts";
import { networkmanager } from "./networkmanager.ts";
import { nginx } from "./nginx/nginx.ts";
import { nodeExporter } from "./node-exporter.ts";
import { openssh } from "./openssh.ts";
import { podman } from "./podman.ts";
import { postgresql } from "./postgresql.ts";
import { primaryUser } from "./primary-user.ts";
import { printing } from "./printing.ts";
import { tailscale } from "./tailscale.ts";
import { thunderbird } from "./thunderbird.ts";
import { zsh } from "./zsh.ts";

export const scopes = {
  agent,
  atd,
  base,
  bluetooth,
  chromium,
  cron,
  debian,
  docker,
  fail2ban,
  firefox,
  fish,
  controlPlane,
  fwupd,
  gh,
  home,
  impermanence,
  libvirtd,
  neovim,
  network,
  networkmanager,
  nginx,
  nodeExporter,
  openssh,
  podman,
  postgresql,
  primaryUser,
  printing,
  tailscale,
  thunderbird,
  zsh,
} as const;

/** The options that the scopes add to the system's. */
export type ScopeOptions = AllOptions<typeof scopes>;

/** The intersection of the options of every module in a record. */
type AllOptions<Modules> = {
  readonly [Name in keyof Modules]: (options: OptionsOf<Modules[Name]>) => void;
}[keyof Modules] extends (options: infer Options) => void
  ? Options
  : never;
