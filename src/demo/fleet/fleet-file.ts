/** The fleet of the demonstration: two small hosts with a service each, which differ in nothing but their names. */

export const HOSTS = ["alpha", "beta"] as const;
export type HostName = (typeof HOSTS)[number];

/** Where a host says which release it has. */
export const VERSION_FILE = "/etc/motd.d/version";

export interface FleetFile {
  /** What is written to VERSION_FILE. */
  readonly version: string;
  /** Whether the shop starts. */
  readonly works: boolean;
  readonly controlPlane: string;
  readonly content: string;
}

/** The text of `fleet.ts`. */
export function fleetFile({ version, works, controlPlane, content }: FleetFile): string {
  const shop = works ? "/usr/bin/sleep infinity" : "/bin/sh -c 'echo there is no database >&2; exit 1'";
  return `import { diskoTemplates, mkFleet, mkHost } from "nixfleet";

const shop = {
  systemd: {
    services: {
      shop: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: ${JSON.stringify(shop)} } },
    },
  },
  nixfleet: { healthChecks: { shop: { unit: "shop.service", interval: 5, failures: 2 } } },
};

const host = (hostName: string) =>
  mkHost({
    hostName,
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      shop,
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      {
        nixfleet: { impermanence: { enable: true } },
        boot: { kernelPackage: "linux-image-cloud-amd64", kernelParams: ["console=ttyS0"] },
        environment: { etc: { ${JSON.stringify(VERSION_FILE.slice("/etc/".length))}: { text: ${JSON.stringify(`${version}\n`)} } } },
        services: {
          openssh: { enable: true },
          "nixfleet-agent": {
            enable: true,
            controlPlane: ${JSON.stringify(controlPlane)},
            contentRepositories: [${JSON.stringify(content)}],
            interval: 10,
            confirm: 60,
          },
        },
      },
    ],
  });

export default mkFleet([${HOSTS.map((name) => `host(${JSON.stringify(name)})`).join(", ")}]);
`;
}
