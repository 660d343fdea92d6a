/** One host with an ephemeral root. `npm start` builds it, boots it, cuts its power and boots it again. */
import { defineModule, diskoTemplates, mkFleet, mkHost } from "nixfleet";

/** A service of one's own: what it keeps is declared beside it. */
const counter = defineModule(
  {},
  {
    systemd: {
      services: {
        "boot-counter": {
          description: "Count the boots",
          wantedBy: ["multi-user.target"],
          serviceConfig: {
            Type: "oneshot",
            RemainAfterExit: true,
            ExecStart: "/bin/sh -c 'echo boot >> /var/lib/boot-counter/boots && sync /var/lib/boot-counter/boots'",
          },
        },
      },
    },
    environment: {
      persistence: {
        "/persist": { directories: [{ directory: "/var/lib/boot-counter", purpose: "the number of boots" }] },
      },
    },
  },
);

export default mkFleet([
  mkHost({
    hostName: "standalone",
    platform: "x86_64-linux",
    hostSpec: { userName: "alice", timeZone: "Europe/Paris" },
    modules: [
      counter,
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      {
        nixfleet: { impermanence: { enable: true } },
        services: { openssh: { enable: true } },
        boot: { kernelPackage: "linux-image-cloud-amd64", kernelParams: ["console=ttyS0"] },
        home: {
          persistence: { "/persist": { directories: [{ directory: "notes", purpose: "what alice writes down" }] } },
        },
      },
    ],
  }),
]);
