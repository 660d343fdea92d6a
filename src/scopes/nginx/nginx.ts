/** The web server nginx, with certificates. */
import { mkIf } from "../../modules/properties.ts";
import { defineModule } from "../../system/options.ts";
import type { OnNixos, ScopeConfig } from "../on-nixos.ts";
import { persisted } from "../persisted.ts";
import { certificateUnits, LETSENCRYPT } from "./certificates.ts";
import { acmeOnNixos, siteOnNixos, usesAcme } from "./nixos.ts";
import { nginxOptions } from "./options.ts";
import { sites } from "./sites.ts";

export const nginx = defineModule(
  { options: nginxOptions },
  mkIf(({ services }) => services.nginx.enable, {
    // Parts of requests and answers that are under way; where certbot works while it requests a certificate.
    nixfleet: {
      impermanence: { ephemeral: ["/var/lib/nginx", "/var/lib/letsencrypt"] },
      healthChecks: { nginx: { unit: "nginx.service" } },
    },
    environment: {
      systemPackages: ["ca-certificates", "certbot", "nginx-light", "openssl"],
      etc: {
        "nginx/conf.d/nixfleet.conf": { text: ({ services }) => sites(services.nginx.virtualHosts) },
        // Debian's own site would answer for every name that is not declared.
        "nginx/sites-enabled/default": { text: "" },
      },
      persistence: persisted({
        directories: [
          {
            directory: LETSENCRYPT,
            mode: "0700",
            purpose: "certificates, their keys, and the accounts that requested them",
          },
        ],
      }),
    },
    assertions: ({ services, security }) =>
      Object.entries(services.nginx.virtualHosts).flatMap(([name, host]) => {
        const option = `services.nginx.virtualHosts.${JSON.stringify(name)}`;
        return [
          {
            assertion: (host.sslCertificate === null) === (host.sslCertificateKey === null),
            message: `${option} needs both sslCertificate and sslCertificateKey, or neither`,
          },
          {
            assertion: !host.enableACME || host.sslCertificate === null,
            message: `${option} has a certificate of its own and enableACME: remove one of them`,
          },
          {
            assertion: !host.enableACME || security.acme.acceptTerms,
            message: `${option}.enableACME: read the terms of the certificate authority, then set security.acme.acceptTerms`,
          },
        ];
      }),
    systemd: { services: ({ services, security }) => certificateUnits(services.nginx.virtualHosts, security.acme) },
  }),
);

export const nginxOnNixos: OnNixos<ScopeConfig<typeof nginx>> = {
  enabled: ({ services }) => services.nginx.enable,
  options: ({ services, security }) => ({
    services: {
      nginx: {
        enable: true,
        virtualHosts: Object.fromEntries(
          Object.entries(services.nginx.virtualHosts).map(([name, host]) => [name, siteOnNixos(host)]),
        ),
      },
    },
    ...(usesAcme(services.nginx.virtualHosts) ? { security: { acme: acmeOnNixos(security.acme) } } : {}),
  }),
  packages: ["certbot", "nginx-light", "openssl"],
  etc: /^nginx\//,
  units: /^nixfleet-(issued|self-signed|acme)-/,
  paths: ({ services }) => ({
    [LETSENCRYPT]: usesAcme(services.nginx.virtualHosts)
      ? { path: "/var/lib/acme", user: "acme", group: "acme", mode: "0755" }
      : null,
  }),
  lost: ({ services, security }) =>
    usesAcme(services.nginx.virtualHosts)
      ? [
          "certificates are got anew: NixOS has them in /var/lib/acme, and not as certbot has them in /etc/letsencrypt",
          ...(security.acme.email === null ? ["NixOS wants an e-mail address: set security.acme.email"] : []),
        ]
      : [],
};
