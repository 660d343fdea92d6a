/** What every scope is on NixOS, as it says beside itself. */
import type { ConfigOf } from "../modules/option.ts";
import type { SystemConfig } from "../system/options.ts";
import { atdOnNixos } from "./atd.ts";
import { baseOnNixos } from "./base.ts";
import { bluetoothOnNixos } from "./bluetooth.ts";
import { chromiumOnNixos } from "./chromium.ts";
import { cronOnNixos } from "./cron.ts";
import { debianOnNixos } from "./debian.ts";
import { dockerOnNixos } from "./docker.ts";
import { fail2banOnNixos } from "./fail2ban.ts";
import { firefoxOnNixos } from "./firefox.ts";
import { fishOnNixos } from "./fish.ts";
import { agentOnNixos } from "./fleet/agent.ts";
import { controlPlaneOnNixos } from "./fleet/control-plane.ts";
import { fwupdOnNixos } from "./fwupd.ts";
import { ghOnNixos } from "./gh.ts";
import { homeOnNixos } from "./home.ts";
import { impermanenceOnNixos } from "./impermanence.ts";
import type { ScopeOptions, scopes } from "./index.ts";
import { libvirtdOnNixos } from "./libvirtd.ts";
import { neovimOnNixos } from "./neovim.ts";
import { networkOnNixos } from "./network.ts";
import { networkmanagerOnNixos } from "./networkmanager.ts";
import { nginxOnNixos } from "./nginx/nginx.ts";
import { nodeExporterOnNixos } from "./node-exporter.ts";
import type { OnNixos } from "./on-nixos.ts";
import { opensshOnNixos } from "./openssh.ts";
import { podmanOnNixos } from "./podman.ts";
import { postgresqlOnNixos } from "./postgresql.ts";
import { primaryUserOnNixos } from "./primary-user.ts";
import { printingOnNixos } from "./printing.ts";
import { tailscaleOnNixos } from "./tailscale.ts";
import { thunderbirdOnNixos } from "./thunderbird.ts";
import { zshOnNixos } from "./zsh.ts";

export const scopesOnNixos: { readonly [Name in keyof typeof scopes]: OnNixos<SystemConfig & ConfigOf<ScopeOptions>> } =
  {
    atd: atdOnNixos,
    base: baseOnNixos,
    bluetooth: bluetoothOnNixos,
    chromium: chromiumOnNixos,
    cron: cronOnNixos,
    debian: debianOnNixos,
    docker: dockerOnNixos,
    fail2ban: fail2banOnNixos,
    firefox: firefoxOnNixos,
    fish: fishOnNixos,
    agent: agentOnNixos,
    controlPlane: controlPlaneOnNixos,
    fwupd: fwupdOnNixos,
    gh: ghOnNixos,
    home: homeOnNixos,
    impermanence: impermanenceOnNixos,
    libvirtd: libvirtdOnNixos,
    neovim: neovimOnNixos,
    network: networkOnNixos,
    networkmanager: networkmanagerOnNixos,
    nginx: nginxOnNixos,
    nodeExporter: nodeExporterOnNixos,
    openssh: opensshOnNixos,
    podman: podmanOnNixos,
    postgresql: postgresqlOnNixos,
    primaryUser: primaryUserOnNixos,
    printing: printingOnNixos,
    tailscale: tailscaleOnNixos,
    thunderbird: thunderbirdOnNixos,
    zsh: zshOnNixos,
  };
