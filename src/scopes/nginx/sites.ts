/** Virtual hosts as nginx's configuration. */
import { CHALLENGES, certificateFolder } from "./certificates.ts";
import type { VirtualHost, VirtualHosts } from "./options.ts";

/** What stands in its `http` block. */
export function sites(virtualHosts: VirtualHosts): string {
  return Object.entries(virtualHosts)
    .flatMap(([name, host]) => serversOf(name, host))
    .map((lines) => `server {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`)
    .join("\n");
}

function serversOf(name: string, host: VirtualHost): string[][] {
  const names = `server_name ${[name, ...host.serverAliases].join(" ")};`;
  const challenges = host.enableACME ? [`location /.well-known/acme-challenge/ { root ${CHALLENGES}; }`] : [];
  const plain = ["listen 80;", "listen [::]:80;", names, ...challenges];
  const certificate = certificateOf(name, host);
  if (certificate === null) return [[...plain, ...contentOf(host)]];
  return [
    [...plain, "location / { return 301 https://$host$request_uri; }"],
    [
      "listen 443 ssl;",
      "listen [::]:443 ssl;",
      names,
      `ssl_certificate ${certificate.chain};`,
      `ssl_certificate_key ${certificate.key};`,
      ...contentOf(host),
    ],
  ];
}

function certificateOf(name: string, host: VirtualHost): { readonly chain: string; readonly key: string } | null {
  if (host.enableACME) {
    const folder = certificateFolder(name);
    return { chain: `${folder}/fullchain.pem`, key: `${folder}/privkey.pem` };
  }
  if (host.sslCertificate === null || host.sslCertificateKey === null) return null;
  return { chain: host.sslCertificate, key: host.sslCertificateKey };
}

function contentOf({ root, proxyPass, extraConfig }: VirtualHost): string[] {
  return [
    ...(root === null ? [] : [`root ${root};`]),
    ...(proxyPass === null
      ? []
      : [
          `location / { proxy_pass ${proxyPass}; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }`,
        ]),
    ...extraConfig.split("\n").filter((line) => line !== ""),
  ];
}
