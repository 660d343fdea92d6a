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
        // Small, and enough for a virtual machine; remove the line for a real one.
        boot: { kernelPackage: "linux-image-cloud-amd64", kernelParams: ["console=ttyS0"] },
      },
    ],
  }),
]);
