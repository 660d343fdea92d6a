import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemsError } from "../../src/errors.ts";
import { networkWarnings } from "../../src/plan/checks/network.ts";
import { hostWith, planWith } from "./host.ts";

type Module = Parameters<typeof hostWith>[0];

function fileOf(path: string, ...modules: Module[]): string | undefined {
  const file = planWith(...modules).files.find((one) => one.path === path);
  if (file?.kind === "text") return file.text;
  return file?.kind === "symlink" ? file.target : undefined;
}

const RUNS = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service";
const OWN: Module = { environment: { etc: { "systemd/network/50-mine.network": { text: "[Match]\nName=lan0" } } } };
const off: Module = { networking: { useDHCP: false } };
const lan: Module = {
  networking: {
    interfaces: {
      enp1s0: { addresses: ["192.0.2.10/24", "2001:db8::10/64"], gateways: ["192.0.2.1", "fe80::1"] },
      "wl*": { useDHCP: true },
    },
    nameservers: ["192.0.2.53", "2001:db8::53"],
  },
};

test("an interface has its static addresses, gateways and DNS servers, before DHCP takes it", () => {
  assert.equal(
    fileOf("/etc/systemd/network/40-enp1s0.network", lan),
    "[Match]\nName=enp1s0\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\nAddress=2001:db8::10/64\nGateway=192.0.2.1\nGateway=fe80::1\n",
  );
  assert.match(fileOf("/etc/systemd/network/40-wlany.network", lan) ?? "", /^Name=wl\*\n\n\[Network\]\nDHCP=yes$/m);
  assert.equal(fileOf("/etc/systemd/resolved.conf.d/nixfleet.conf", lan), "[Resolve]\nDNS=192.0.2.53 2001:db8::53\n");
  assert.match(fileOf("/etc/systemd/network/80-dhcp.network", lan) ?? "", /DHCP=yes/);
});

test("networkd runs without useDHCP too, with a person's own files, and its names are resolved", () => {
  for (const modules of [[off, OWN], [off, lan], [off]]) {
    assert.ok(fileOf(RUNS, ...modules), JSON.stringify(modules));
    assert.equal(fileOf("/etc/systemd/network/80-dhcp.network", ...modules), undefined);
    assert.match(fileOf("/etc/resolv.conf", ...modules) ?? "", /stub-resolv\.conf$/);
    assert.ok(planWith(...modules).packages.packages.includes("systemd-resolved"));
  }
});

test("another program runs the network where that is declared, and networkd does not", () => {
  assert.equal(fileOf(RUNS, { networking: { networkmanager: { enable: true } } }), undefined);
  assert.equal(fileOf(RUNS, { networking: { backend: "none" } }), undefined);
});

test("check warns of a host that would have no network, and of no other", () => {
  const warned = (...modules: Module[]) => networkWarnings(hostWith(...modules).config);
  const ifupdown: Module = { environment: { systemPackages: ["ifupdown"] } };
  assert.match(warned(off).join(), /would have no network: networking\.useDHCP is false/);
  assert.match(
    warned({ networking: { backend: "none" } }).join(),
    /would have no network: networking\.backend is none/,
  );
  assert.equal(warned(off, { networking: { interfaces: { eth0: {} } } }).length, 1, "an interface without an address");
  for (const modules of [
    [],
    [off, OWN],
    [off, lan],
    [{ networking: { networkmanager: { enable: true } } }],
    [off, ifupdown],
    [{ networking: { backend: "none" } } as const, ifupdown],
  ])
    assert.deepEqual(warned(...modules), [], JSON.stringify(modules));
});

test("what nobody would read is refused, and so is what is no address", () => {
  const refuses = (module: Module, says: RegExp) =>
    assert.throws(
      () => hostWith(module).check(),
      (error) => error instanceof ProblemsError && says.test(error.text),
      JSON.stringify(module),
    );
  const interfaces = { eth0: { addresses: ["192.0.2.10/24"] } };
  refuses({ networking: { backend: "none", interfaces } }, /interfaces\.eth0 is for systemd-networkd/);
  refuses({ networking: { networkmanager: { enable: true }, interfaces } }, /configure it in NetworkManager/);
  refuses({ networking: { interfaces: { "../x": {} } } }, /not the name of an interface/);
  for (const address of [
    "192.0.2.10",
    "192.0.2.256/24",
    "192.0.2.1/33",
    "2001:db8::1",
    "2001:db8::1/129",
    "host/24",
    "a\n::/1",
    "",
  ])
    refuses({ networking: { interfaces: { eth0: { addresses: [address] } } } }, /wanted an IP address with the length/);
  for (const address of ["192.0.2.1/24", "256.0.0.1", "name", "192.0.2"]) {
    refuses({ networking: { nameservers: [address] } }, /wanted an IP address such as/);
    refuses({ networking: { interfaces: { eth0: { gateways: [address] } } } }, /wanted an IP address such as/);
  }
});
