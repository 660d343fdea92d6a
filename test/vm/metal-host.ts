/** A host that boots from its own disk, by firmware and boot loader. */
import { type HostDeclaration, mkHost } from "../../src/index.ts";
import { SHARED_PACKAGES } from "./packages.ts";

export function metalHost(hostName: string, ...modules: HostDeclaration["modules"][number][]) {
  return mkHost({
    hostName,
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      {
        environment: { systemPackages: [...SHARED_PACKAGES] },
        services: { openssh: { enable: true } },
        boot: {
          kernelPackage: "linux-image-cloud-amd64",
          kernelParams: ["console=ttyS0"],
          loader: { timeout: 1 },
        },
      },
      ...modules,
    ],
  });
}
