import assert from "node:assert/strict";
import { test } from "node:test";
import { diskRefusal, machineRefusal, readMachine } from "../../src/deploy/found-machine.ts";
import { sameDisk } from "../../src/deploy/takeover.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { GIB, MIB } from "../../src/layout/size.ts";

const plan = mkHost({
  hostName: "web",
  platform: "x86_64-linux",
  hostSpec: { userName: "alice" },
  modules: [
    diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    { nixfleet: { impermanence: { enable: true } }, services: { openssh: { enable: true } } },
  ],
}).plan();

const needs = { plan, modules: new Set(["virtio_blk", "virtio_net"]), unpacked: 400 * MIB, packed: 100 * MIB };

interface Disk {
  readonly path: string;
  readonly size?: number | string;
  readonly [more: string]: unknown;
}

const disk = ({ size = 20 * GIB, ...more }: Disk) => ({
  ...{ type: "disk", model: null, serial: null, wwn: null, ro: false, fstype: null, label: null, mountpoint: null },
  ...{ ptuuid: null, uuid: null, size },
  ...more,
});

/** What look.sh prints of a machine that is right in all but the given. `null`: it does not say that. */
function machine(change: Readonly<Record<string, string | readonly string[] | null>> = {}, ...disks: readonly Disk[]) {
  const all = disks.length > 0 ? disks : [{ path: "/dev/vda", ptuuid: "a" }];
  const said: Record<string, string | readonly string[] | null> = {
    ...{ uid: "0", processor: "x86_64", system: "Debian GNU/Linux 12", boot: "b", installer: "", firmware: "uefi" },
    ...{ memory: `${2 * 1024 ** 2}`, available: `${1024 ** 2}`, lockdown: "none", "kexec-disabled": "0" },
    ...{ address: "192.0.2.1", port: "22", carried: ["10.0.0.1", "192.0.2.1"], keys: "/root/.ssh/authorized_keys" },
    ...{ "host-key": "ssh_host_ed25519_key", module: ["virtio_blk", "virtio-net"] },
    disks: JSON.stringify({ blockdevices: all.map(disk) }),
    ...change,
  };
  const lines = Object.entries(said).flatMap(([name, values]) =>
    values === null ? [] : [values].flat().map((value) => `${name}\t${value}\n`),
  );
  return readMachine(lines.join(""));
}

test("a machine that can run the installer is not refused, also where what it says is older or stranger", () => {
  for (const change of [{}, { lockdown: "" }, { module: [] }])
    assert.equal(machineRefusal(machine(change), needs, "root@x"), null);
});

test("what keeps the installer from starting is said before anything is changed, with what to do", () => {
  for (const [change, reason] of [
    [{ uid: "1000" }, /only root can install a host\n.*root@/],
    [{ missing: ["ip"] }, /ip is not there\n.*apt-get install iproute2/],
    [{ processor: "aarch64" }, /its processor is aarch64, and web is for x86_64-linux/],
    [{ firmware: "bios" }, /it was started by a BIOS/],
    [{ "no-kexec": "yes" }, /built without kexec/],
    [{ "kexec-disabled": "1" }, /kexec_load_disabled/],
    [{ lockdown: "integrity" }, /locked down \(integrity\)[\s\S]*Secure Boot off/],
    [{ keys: null }, /no authorized_keys[\s\S]*ssh-copy-id/],
    [{ "host-key": null }, /no ssh keys of its own/],
    [{ carried: ["10.0.0.1"] }, /192\.0\.2\.1 is not on a network card itself/],
    [{ module: ["virtio_blk", "e1000e"] }, /module e1000e, which the kernel of web does not have\n.*linux-image-amd64/],
    [{ memory: `${1000 * 1024}` }, /1000M of memory, and the installer needs 1G/],
    [{ available: `${200 * 1024}` }, /only 200M of its memory is free/],
  ] as const) {
    const refusal = machineRefusal(machine(change), needs, "root@x");
    assert.ok(refusal !== null, `${reason}`);
    assert.match(refusal.text, reason);
    assert.match(refusal.text, /otherwise install it from a stick or a rescue system/);
  }
});

test("where the installer runs already, what it needed to start there is asked no more", () => {
  const change = { installer: "/nix/store/x", keys: null, "host-key": null, memory: "1", lockdown: "integrity" };
  assert.equal(machineRefusal(machine(change), needs, "root@x"), null);
});

test("a disk is refused that is read-only, too small, or not to be told from another; what it holds is listed", () => {
  const held = {
    path: "/dev/vda1",
    type: "part",
    size: "1073741824",
    fstype: "ext4",
    label: "x\u001b",
    mountpoint: "/",
  };
  const at = machine(
    {},
    { path: "/dev/vda", ptuuid: "a", children: [disk(held)] },
    { path: "/dev/vdb", ro: "1" },
    { path: "/dev/vdc", size: 100 * MIB },
    { path: "/dev/vdd", size: 30 * GIB },
    { path: "/dev/vde", size: 30 * GIB },
    { path: "/dev/sr0", type: "rom" },
  );
  assert.deepEqual(
    at.disks.map(
      (one) =>
        diskRefusal(one, at, plan)
          ?.text.replace(/\n[\s\S]*/, "")
          .slice(0, 40) ?? null,
    ),
    [
      null,
      "/dev/vdb is read-only",
      "/dev/vdc is too small: it has 100M, and ",
      "/dev/vdd cannot be told from another dis",
      "/dev/vde cannot be told from another dis",
    ],
  );
  assert.deepEqual(at.disks[0]?.contents, ["/dev/vda1 (1G): ext4, labelled x\u001b, mounted on /"]);
});

test("the installer takes the disk that was chosen, whatever it calls it, and none where that is not certain", () => {
  const [chosen] = machine({}, { path: "/dev/sda", serial: "1" }).disks;
  assert.ok(chosen !== undefined);
  const found = sameDisk(chosen, machine({}, { path: "/dev/vda", serial: "2" }, { path: "/dev/vdb", serial: "1" }));
  assert.equal(found.path, "/dev/vdb");
  for (const others of [
    [{ path: "/dev/sda", serial: "2" }],
    [
      { path: "/dev/sda", serial: "1" },
      { path: "/dev/sdb", serial: "1" },
    ],
  ])
    assert.throws(() => sameDisk(chosen, machine({}, ...others)), /for certain, so nothing was erased/);
});
