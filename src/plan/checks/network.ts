/** Hosts that nobody could reach. */
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";

export function networkProblems({ networking }: SystemConfig): PlanProblem[] {
  const { interfaces, nameservers, backend } = networking;
  const names = Object.keys(interfaces);
  const unnamed = names.filter((name) => !/^[A-Za-z0-9_.:*?-]{1,15}$/.test(name));
  const unused =
    backend === "systemd-networkd"
      ? []
      : [...names.map((name) => ["interfaces", name]), ...(nameservers.length > 0 ? [["nameservers"]] : [])];
  return [
    ...unnamed.map((name) => ({
      what: `networking.interfaces: ${JSON.stringify(name)} is not the name of an interface`,
      at: [],
      fix: "`ip link` shows the names, such as enp1s0",
      option: ["networking", "interfaces", name],
    })),
    ...unused.map((path) => ({
      what: `networking.${path.join(".")} is for systemd-networkd, but networking.backend is ${backend}`,
      at: [],
      fix:
        backend === "none"
          ? 'write networking.backend: "systemd-networkd"'
          : "configure it in NetworkManager, or disable networking.networkmanager",
      option: ["networking", ...path],
    })),
  ];
}

/** Programs that run a network which is configured elsewhere. */
const PROGRAMS = [
  "network-manager",
  "ifupdown",
  "ifupdown-ng",
  "ifupdown2",
  "connman",
  "dhcpcd",
  "dhcpcd-base",
  "netplan.io",
  "iwd",
  "wicked",
];

/** Whether the host would have no network; a line, or none. */
export function networkWarnings({ networking, environment }: SystemConfig): readonly string[] {
  const { backend, useDHCP, interfaces } = networking;
  const has = (name: string) => environment.systemPackages.includes(name);
  const ways: Readonly<Record<typeof backend, boolean>> = {
    "systemd-networkd":
      useDHCP ||
      Object.values(interfaces).some((one) => one.useDHCP || one.addresses.length > 0) ||
      Object.entries(environment.etc).some(
        ([name, { enable }]) => enable && /^systemd\/network\/(?!40-).*\.network$/.test(name),
      ) ||
      PROGRAMS.some(has),
    networkmanager: has("network-manager"),
    none: PROGRAMS.some(has),
  };
  if (ways[backend]) return [];
  const why =
    backend === "systemd-networkd"
      ? "networking.useDHCP is false, and no interface has an address"
      : `networking.backend is ${backend}, and no package runs a network`;
  return [
    `the host would have no network: ${why}; set networking.useDHCP, networking.interfaces.<name>.addresses, or a .network file in environment.etc`,
  ];
}
