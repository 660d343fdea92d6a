/** Hosts for the tests of plans. */
import { diskoTemplates, type HostDeclaration, mkDefault, mkHost } from "../../src/index.ts";
import type { HostPlan } from "../../src/plan/host.ts";

type Modules = HostDeclaration["modules"][number][];

/** A host with an ephemeral root and these modules besides. */
export function hostWith(...modules: Modules) {
  return mkHost({
    hostName: "test",
    platform: "x86_64-linux",
    hostSpec: { userName: "alice" },
    modules: [
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      { nixfleet: { impermanence: { enable: mkDefault(true) } } },
      ...modules,
    ],
  });
}

export function planWith(...modules: Modules): HostPlan {
  return hostWith(...modules).plan();
}
