/** Sites and certificates in NixOS' own options. */
import type { NixSet } from "../on-nixos.ts";
import type { Acme, VirtualHost, VirtualHosts } from "./options.ts";

/** One of `services.nginx.virtualHosts`. */
export function siteOnNixos(host: VirtualHost): NixSet {
  const { serverAliases, root, proxyPass, enableACME, sslCertificate, sslCertificateKey, extraConfig } = host;
  return {
    ...(serverAliases.length === 0 ? {} : { serverAliases }),
    ...(root === null ? {} : { root }),
    ...(proxyPass === null ? {} : { locations: { "/": { proxyPass, recommendedProxySettings: true } } }),
    ...(enableACME ? { enableACME } : {}),
    ...(sslCertificate === null || sslCertificateKey === null ? {} : { sslCertificate, sslCertificateKey }),
    // Where there is a certificate, HTTP leads to HTTPS.
    ...(enableACME || sslCertificate !== null ? { forceSSL: true } : {}),
    ...(extraConfig === "" ? {} : { extraConfig }),
  };
}

export function usesAcme(virtualHosts: VirtualHosts): boolean {
  return Object.values(virtualHosts).some(({ enableACME }) => enableACME);
}

export function acmeOnNixos({ acceptTerms, email, server }: Acme): NixSet {
  const defaults = { ...(email === null ? {} : { email }), ...(server === null ? {} : { server }) };
  return { acceptTerms, ...(Object.keys(defaults).length === 0 ? {} : { defaults }) };
}
