/** The options of the web server, and of the certificates that it gets by ACME. */
import { attrsOf, listOf, submodule } from "../../modules/collections.ts";
import type { ConfigOf } from "../../modules/option.ts";
import { mkEnableOption, mkOption } from "../../modules/option.ts";
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
            serverAliases: mkOption({ type: listOf(hostName), default: [], description: "Further names." }),
            root: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "The folder whose files it serves.",
            }),
            proxyPass: mkOption({
              type: types.nullOr(types.strMatching(/https?:\/\/[^\s;{}"'\\$]+/, "a URL such as http://127.0.0.1:3000")),
              default: null,
              description: "The server that answers instead.",
            }),
            enableACME: mkOption({
              type: types.bool,
              default: false,
              description:
                "Whether certbot gets its certificate, and renews it. Until then there is a self-signed one.",
            }),
            sslCertificate: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "A certificate with those that it is signed by, in PEM. Persist it where it is kept.",
            }),
            sslCertificateKey: mkOption({
              type: types.nullOr(path),
              default: null,
              description: "The certificate's key, in PEM.",
            }),
            extraConfig: mkOption({
              type: types.lines,
              default: "",
              description: "Further directives of the server block.",
            }),
          }),
        ),
        default: {},
        example: { "www.example.org": { root: "/srv/www", enableACME: true } },
        description:
          "The sites it serves, by host name. One with a certificate is served by HTTPS, and HTTP leads there.",
      }),
    },
  },
  security: {
    acme: {
      acceptTerms: mkOption({
        type: types.bool,
        default: false,
        description: "Whether you agree to the terms of the authority that signs certificates.",
      }),
      email: mkOption({
        type: types.nullOr(types.strMatching(/[^\s@]+@[^\s@]+/, "an e-mail address")),
        default: null,
        description: "Where the authority reaches you.",
      }),
      server: mkOption({
        type: types.nullOr(types.strMatching(/https:\/\/\S+/, "the URL of an ACME directory")),
        default: null,
        description: "The authority, by its ACME directory; null: certbot's own, which is Let's Encrypt.",
      }),
    },
  },
} as const;

export type VirtualHosts = ConfigOf<typeof nginxOptions>["services"]["nginx"]["virtualHosts"];
export type VirtualHost = VirtualHosts[string];
export type Acme = ConfigOf<typeof nginxOptions>["security"]["acme"];
