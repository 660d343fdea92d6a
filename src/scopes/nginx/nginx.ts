/** The web server nginx, with certificates. */
import { mkIf } from "../../modules/definition.ts";
import { defineModule } from "../../system/options.ts";
import { persisted } from "../persisted.ts";
import { certificateUnits, LETSENCRYPT } from "./certificates.ts";
import { nginxOptions } from "./options.ts";
import { sites } from "./sites.ts";

export const nginx = defineModule(
  { options: nginxOptions },
  mkIf(({ services }) => services.nginx.enable, {
    // Parts of requests and answers that are under way.
    nixfleet: { impermanence: { ephemeral: ["/var/lib/nginx"] } },
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
            purpose: "certificates, their keys and the accounts that they are got with",
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
            message: `${option} wants both sslCertificate and sslCertificateKey, or neither`,
          },
          {
            assertion: !host.enableACME || host.sslCertificate === null,
            message: `${option} has a certificate of its own and enableACME: remove one of them`,
          },
          {
            assertion: !host.enableACME || security.acme.acceptTerms,
            message: `${option}.enableACME: read the terms of the authority, and set security.acme.acceptTerms`,
          },
        ];
      }),
    systemd: { services: ({ services, security }) => certificateUnits(services.nginx.virtualHosts, security.acme) },
  }),
);
