/** My machines. `nixfleet check` says whether it is right, `nixfleet plan myhost` what will survive a boot. */
import { diskoTemplates, mkFleet, mkHost, roles } from "nixfleet";

export default mkFleet([
  mkHost({
    hostName: "myhost",
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      roles.server,
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      {
        nixfleet: { impermanence: { enable: true } },
        // Who may log in: put your own public key here, as in ~/.ssh/id_ed25519.pub.
        // users: { users: { alice: { openssh: { authorizedKeys: { keys: ["ssh-ed25519 AAAA… alice@laptop"] } } } } },
        // Small, and enough for a virtual machine; remove the line for a real one.
        boot: { kernelPackage: "linux-image-cloud-amd64", kernelParams: ["console=ttyS0"] },
      },
    ],
  }),
]);
