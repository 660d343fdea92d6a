/** The host of the scopes' test: every scope that runs a service, and the programs whose state is a person's. */
import { diskoTemplates, mkFleet, mkForce, mkHost } from "../../src/index.ts";

export const SITE = "www.example.test";

/** An authority for the site's certificate, on the host itself: it forgets everything when it ends. */
const authority = {
  security: { acme: { acceptTerms: true, server: "https://localhost:14000/dir" } },
  environment: {
    systemPackages: ["pebble"],
    etc: {
      hosts: { text: `127.0.0.1 localhost ${SITE}\n::1 localhost` },
      "pebble.json": {
        text: JSON.stringify({
          pebble: {
            listenAddress: "127.0.0.1:14000",
            managementListenAddress: "127.0.0.1:15000",
            certificate: "/run/pebble/cert.pem",
            privateKey: "/run/pebble/key.pem",
            httpPort: 80,
            tlsPort: 443,
          },
        }),
      },
    },
  },
  systemd: {
    services: {
      pebble: {
        wantedBy: ["multi-user.target"],
        before: [`nixfleet-acme-${SITE}.service`],
        environment: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "0" },
        serviceConfig: {
          RuntimeDirectory: "pebble",
          ExecStartPre:
            "/usr/bin/openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout /run/pebble/key.pem -out /run/pebble/cert.pem",
          ExecStart: "/usr/bin/pebble -config /etc/pebble.json",
        },
      },
      [`nixfleet-acme-${SITE}`]: {
        environment: { REQUESTS_CA_BUNDLE: "/run/pebble/cert.pem" },
        serviceConfig: { RestartSec: mkForce(2) },
      },
    },
  },
} as const;

export const served = mkHost({
  hostName: "served",
  platform: "x86_64-linux",
  hostSpec: { userName: "alice" },
  modules: [
    diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    authority,
    {
      nixfleet: { impermanence: { enable: true }, base: { enable: true }, home: { enable: true } },
      // Unlike the cloud's, it has Bluetooth.
      boot: { kernelPackage: "linux-image-amd64", kernelParams: ["console=ttyS0"] },
      environment: { systemPackages: ["bluez-test-tools", "busybox-static", "sqlite3"] },
      hardware: { bluetooth: { enable: true } },
      networking: { networkmanager: { enable: true } },
      programs: { fish: { enable: true }, gh: { enable: true }, neovim: { enable: true }, zsh: { enable: true } },
      services: {
        atd: { enable: true },
        cron: { enable: true },
        fail2ban: { enable: true, bantime: "1d" },
        fwupd: { enable: true },
        nginx: { enable: true, virtualHosts: { [SITE]: { root: "/var/www/html", enableACME: true } } },
        "nixfleet-agent": {
          enable: true,
          controlPlane: "https://localhost:8443",
          contentRepositories: ["https://localhost/"],
          // It is never enrolled here: test/vm/fleet-demo.test.ts does that.
          authority: "fleet.ts",
          trust: "fleet.ts",
        },
        "nixfleet-control-plane": { enable: true },
        openssh: { enable: true },
        postgresql: { enable: true, settings: { max_connections: 20 } },
        printing: { enable: true },
        prometheus: { exporters: { node: { enable: true } } },
      },
      virtualisation: { docker: { enable: true }, libvirtd: { enable: true }, podman: { enable: true } },
    },
  ],
});

export const fleet = mkFleet([served]);
