/** The options of the web server, and of the certificates that it gets by ACME. */
import { attrsOf, listOf, submodule } from "../../modules/collections.ts";
import { mkEnableOption, mkOption } from "../../modules/mk-option.ts";
import type { ConfigOf } from "../../modules/option.ts";
import * as types from "../../modules/types.ts";

const hostName = types.strMatching(/[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?/, "a host name such as www.example.org");
const path = types.strMatching(/\/[A-Za-z0-9@_+.,:/-]*/, "an absolute path of letters, digits and @_+.,:-");

export const nginxOptions = {
  services: {
    nginx: {
      enable: mkEnableOption("the web server nginx"),
      virtualHosts: mkOption({
        type: attrsOf(
          submodule({
            serverAliases: mkOption({ type: listOf(hostName), default: [], description: "Additional names." }),
            root: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "The folder that nginx serves.",
            }),
            proxyPass: mkOption({
              type: types.nullOr(types.strMatching(/https?:\/\/[^\s;{}"'\\$]+/, "a URL such as http://127.0.0.1:3000")),
              default: null,
              description: "The server that nginx passes requests to.",
            }),
            enableACME: mkOption({
              type: types.bool,
              default: false,
              description: "Whether certbot gets and renews the certificate. Until then nginx uses a self-signed one.",
            }),
            sslCertificate: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "A certificate chain in PEM. Persist the folder that holds it.",
            }),
            sslCertificateKey: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "The certificate's key, in PEM.",
            }),
            extraConfig: mkOption({
              type: types.lines,
              default: "",
              description: "More directives of the server block.",
            }),
          }),
        ),
        default: {},
        example: { "www.example.org": { root: "/srv/www", enableACME: true } },
        description:
          "The sites to serve, by host name. A site with a certificate is served over HTTPS, and HTTP redirects to it.",
      }),
    },
  },
  security: {
    acme: {
      acceptTerms: mkOption({
        type: types.bool,
        default: false,
        description: "Whether you accept the terms of service of the certificate authority.",
      }),
      email: mkOption({
        type: types.nullOr(types.strMatching(/[^\s@]+@[^\s@]+/, "an e-mail address")),
        default: null,
        description: "The address where the certificate authority can reach you.",
      }),
      server: mkOption({
        type: types.nullOr(types.strMatching(/https:\/\/\S+/, "the URL of an ACME directory")),
        default: null,
        description: "The ACME directory of the certificate authority. null: certbot's default, Let's Encrypt.",
      }),
    },
  },
} as const;

export type VirtualHosts = ConfigOf<typeof nginxOptions>["services"]["nginx"]["virtualHosts"];
export type VirtualHost = VirtualHosts[string];
export type Acme = ConfigOf<typeof nginxOptions>["security"]["acme"];
