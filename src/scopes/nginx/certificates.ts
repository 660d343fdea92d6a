/**
 * Certificates by ACME. nginx does not start without those that its sites name: on every boot a link leads it to what
 * certbot has in /etc/letsencrypt, or to a self-signed one for as long as there is nothing.
 */
import type { Acme, VirtualHosts } from "./options.ts";

/** Where certbot keeps keys, certificates, and how it renews them. */
export const LETSENCRYPT = "/etc/letsencrypt";
/** Where the authority finds what proves that the host is this one. */
export const CHALLENGES = "/run/nixfleet-acme";

const CERTIFICATES = "/run/nixfleet-certificates";

/** Where nginx finds the certificate and key of a site. */
export function certificateFolder(name: string): string {
  return `${CERTIFICATES}/${name}`;
}

/** As in `systemd.services`. */
interface Service {
  readonly description: string;
  readonly wantedBy: readonly string[];
  readonly before?: readonly string[];
  readonly wants?: readonly string[];
  readonly after?: readonly string[];
  readonly unitConfig: Readonly<Record<string, string>>;
  readonly serviceConfig: Readonly<Record<string, string | readonly string[]>>;
}

/** The units that make and get them. */
export function certificateUnits(virtualHosts: VirtualHosts, acme: Acme): Readonly<Record<string, Service>> {
  const units = Object.entries(virtualHosts)
    .filter(([, host]) => host.enableACME)
    .map(([name, { serverAliases }]) => unitsOf(name, [name, ...serverAliases], acme));
  return Object.assign({}, ...units);
}

function unitsOf(name: string, names: readonly string[], acme: Acme): Readonly<Record<string, Service>> {
  const issued = `${LETSENCRYPT}/live/${name}`;
  const folder = certificateFolder(name);
  const beforeNginx = { wantedBy: ["nginx.service"], before: ["nginx.service"] };
  const oneshot = { Type: "oneshot", UMask: "0077" };
  return {
    [`nixfleet-issued-${name}`]: {
      ...beforeNginx,
      description: `Copy the certificate of ${name} to nginx`,
      unitConfig: { ConditionPathExists: `${issued}/fullchain.pem` },
      serviceConfig: {
        ...oneshot,
        ExecStart: [
          `/usr/bin/mkdir -p ${CERTIFICATES}`,
          `/usr/bin/rm -rf ${folder}`,
          `/usr/bin/ln -sT ${issued} ${folder}`,
        ],
      },
    },
    [`nixfleet-self-signed-${name}`]: {
      ...beforeNginx,
      description: `Create a self-signed certificate of ${name}, until a signed one arrives`,
      unitConfig: { ConditionPathExists: `!${issued}/fullchain.pem` },
      serviceConfig: {
        ...oneshot,
        ExecStart: [
          `/usr/bin/mkdir -p ${folder}`,
          [
            "/usr/bin/openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 30",
            `-subj /CN=${name} -addext subjectAltName=${names.map((one) => `DNS:${one}`).join(",")}`,
            `-keyout ${folder}/privkey.pem -out ${folder}/fullchain.pem`,
          ].join(" "),
        ],
      },
    },
    [`nixfleet-acme-${name}`]: {
      description: `Get the certificate of ${name}`,
      wantedBy: ["multi-user.target"],
      wants: ["network-online.target"],
      after: ["network-online.target", "nginx.service"],
      // Renewing is certbot.timer's.
      unitConfig: { ConditionPathExists: `!${issued}/fullchain.pem` },
      serviceConfig: {
        // The boot does not wait for an authority that cannot be reached.
        Type: "exec",
        Restart: "on-failure",
        RestartSec: "15min",
        ExecStartPre: `/usr/bin/mkdir -p ${CHALLENGES}`,
        ExecStart: certbot(name, names, acme),
      },
    },
  };
}

function certbot(name: string, names: readonly string[], { email, server }: Acme): string {
  return [
    "/usr/bin/certbot certonly --non-interactive --agree-tos",
    `--webroot --webroot-path ${CHALLENGES}`,
    `--cert-name ${name}`,
    ...names.map((one) => `--domain ${one}`),
    email === null ? "--register-unsafely-without-email" : `--email ${email}`,
    ...(server === null ? [] : [`--server ${server}`]),
    // After each renewal too.
    `--deploy-hook "systemctl start nixfleet-issued-${name} && systemctl reload nginx"`,
  ].join(" ");
}
