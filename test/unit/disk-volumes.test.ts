/** Arrays of mdadm and volume groups of LVM, as disko declares them. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { diskCommands } from "../../src/disk/commands.ts";
import { needsOf } from "../../src/disk/needs.ts";
import { disksPart } from "../../src/emit/nixos/disks.ts";
import { UserError } from "../../src/errors.ts";
import type { Mapping } from "../../src/layout/content-type.ts";
import { groupOfDevice, volumeDevice } from "../../src/layout/volume-group.ts";
import { installParameters } from "../../src/payload/host/install.ts";
import { initrdFiles } from "../../src/payload/initrd/files.ts";
import { volumesOf } from "../../src/plan/disk-plan.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { planOfDevices } from "./disko-examples.ts";

const fs = (mountpoint: string) => ({ type: "filesystem", format: "ext4", mountpoint });
const gpt = (partitions: object) => ({ type: "gpt", partitions });
const disk = (device: string, partitions: object) => ({ type: "disk", device, content: gpt(partitions) });
const part = (content: object) => ({ size: "100%", content });
const raid = (name: string) => ({ type: "mdraid", name });
const pv = { type: "lvm_pv", vg: "pool-a" };

/** A volume group on an array, encrypted once below and once in it; another array, with partitions. */
const STACKED = {
  disk: {
    a: disk("/dev/vda", { s: { size: "1G", content: raid("s") }, m: part(raid("m")) }),
    b: disk("/dev/vdb", { s: { size: "1G", content: raid("s") }, m: part(raid("m")) }),
    c: disk("/dev/vdc", { x: part({ type: "luks", name: "x", passwordFile: "/tmp/x", content: pv }) }),
  },
  mdadm: {
    m: { type: "mdadm", level: 1, content: pv },
    s: { type: "mdadm", level: 0, content: gpt({ one: { size: "100M" }, two: part(fs("/srv")) }) },
  },
  lvm_vg: {
    "pool-a": {
      type: "lvm_vg",
      lvs: {
        rest: { size: "100%", content: fs("/") },
        all: { size: "50%VG" },
        thin: { size: "1G", lvm_type: "thin-pool" },
        small: {
          ...{ size: "10G", lvm_type: "thinlv", pool: "thin" },
          content: { type: "luks", name: "late", settings: { keyFile: "/etc/key" }, content: fs("/late") },
        },
      },
    },
  },
};

const commandsOf = (plan: HostPlan, mode: "format" | "mount" | "unmount", mappings: readonly Mapping[] = []) => {
  const disks = plan.disk.disks.map((layout) => ({ layout, device: layout.device }));
  const surroundings = { under: "/mnt", scratch: "/s", udev: false, unsupported: [], mounts: [], mappings, tpm: true };
  return diskCommands(disks, [mode], surroundings).map(({ program, args }) => [program, ...args].join(" "));
};

test("what stands on several partitions is made when they are, what stands on that after it, and all is closed again", () => {
  const lines = commandsOf(planOfDevices(STACKED), "format").filter((line) => !/^(wipefs|partx|sfdisk)/.test(line));
  const named = (name: string, ...devices: readonly string[]) => [
    `mdadm --stop --quiet /dev/md/${name}`,
    `mdadm --assemble /dev/md/${name} --quiet --run --homehost=any --name=${name} --update=name ${devices.join(" ")}`,
    `mdadm --stop --quiet /dev/md/${name}`,
  ];
  const create = (name: string, level: number, ...devices: readonly string[]) =>
    `mdadm --create /dev/md/${name} --quiet --run --force --homehost=any --name=unfinished --level=${level} --metadata=default --raid-devices=2 ${devices.join(" ")}`;
  const key = "--key-file -";
  deepEqual(lines, [
    `cryptsetup luksFormat --batch-mode --type luks2 ${key} -- /dev/vdc1`,
    "cryptsetup config --label x -- /dev/vdc1",
    create("s", 0, "/dev/vda1", "/dev/vdb1"),
    "mkfs.ext4 -q -F -L two /dev/md/s2",
    ...named("s", "/dev/vda1", "/dev/vdb1"),
    `cryptsetup open --type luks2 ${key} -- /dev/vdc1 x`,
    create("m", 1, "/dev/vda2", "/dev/vdb2"),
    "vgcreate --quiet --yes --addtag unfinished -- pool-a /dev/md/m /dev/mapper/x",
    "lvcreate --quiet --yes --size 1G --name thin --type thin-pool -- pool-a",
    "lvcreate --quiet --yes --virtualsize 10G --name small --thinpool thin -- pool-a",
    "lvcreate --quiet --yes --extents 50%VG --name all -- pool-a",
    "lvcreate --quiet --yes --extents 100%FREE --name rest -- pool-a",
    "cryptsetup luksFormat --batch-mode --type luks2 --key-file /etc/key -- /dev/mapper/pool--a-small",
    "cryptsetup open --type luks2 --key-file /etc/key -- /dev/mapper/pool--a-small late",
    "mkfs.ext4 -q -F -L late /dev/mapper/late",
    "cryptsetup close -- late",
    "cryptsetup config --label small -- /dev/mapper/pool--a-small",
    "mkfs.ext4 -q -F -L rest /dev/mapper/pool--a-rest",
    "vgchange --quiet --activate n -- pool-a",
    "vgchange --quiet --deltag unfinished -- pool-a",
    ...named("m", "/dev/vda2", "/dev/vdb2"),
    "cryptsetup close -- x",
  ]);
});

test("it is opened from below and closed from above, and what another disk has open by its name is not touched", () => {
  const plan = planOfDevices(STACKED);
  const opened = commandsOf(plan, "mount").filter((line) => /^(sh|cryptsetup|vgchange)/.test(line));
  deepEqual(
    opened.map((line) => line.split(" ").at(-1)),
    ["x", "/dev/vdb1", "/dev/vdb2", "pool-a", "late"],
  );
  const open = [
    { kind: "luks", name: "x", sources: ["/dev/vdc1"] },
    { kind: "array", name: "s", sources: ["/dev/vda1", "/dev/vdb1"] },
    { kind: "array", name: "m", sources: ["/dev/vda2", "/dev/vdb2"] },
    { kind: "group", name: "pool-a", sources: ["/dev/vda", "/dev/vda2", "/dev/md/m"] },
    { kind: "luks", name: "late", sources: ["/dev/mapper/pool--a-small"] },
  ] as const;
  ok(!commandsOf(plan, "mount", open).some((line) => /^(sh|cryptsetup|vgchange)/.test(line)));
  deepEqual(
    commandsOf(plan, "unmount", open).map((line) => line.split(/[ /]/).at(-1)),
    ["late", "pool-a", "m", "s", "x"],
  );
  for (const [kind, name] of [
    ["array", "m"],
    ["group", "pool-a"],
  ] as const) {
    throws(
      () => commandsOf(plan, "format", [{ kind, name, sources: ["/dev/sdz1"] }]),
      /already open, from \/dev\/sdz1/,
    );
  }
});

test("the initrd assembles what the root is on, the host the rest, and a missing disk is waited for", () => {
  const plan = planOfDevices(STACKED);
  deepEqual(
    volumesOf(plan.disk).map(({ name, early }) => [name, early]),
    [
      ["s", false],
      ["m", true],
      ["pool-a", true],
    ],
  );
  const text = (path: string) => {
    const file = initrdFiles(plan).find((one) => one.path === path);
    return file?.kind === "text" ? file.text : "";
  };
  match(text("/etc/udev/rules.d/92-nixfleet-arrays.rules"), /^[^\n]*"any:m"[^\n]*mdadm --incremental[^\n]*\n$/);
  equal(text("/etc/cmdline.d/90-nixfleet-volumes.conf"), "rd.lvm.vg=pool-a\n");
  match(text("/etc/nixfleet/members.conf"), /^ARRAYS='m'$/m);
  match(text("/etc/nixfleet/members.conf"), /array:m\t1\tthe partition m of the disk b \(\/dev\/vdb\)/);
  const wants = ["lvm2", "mdadm", "thin-provisioning-tools"];
  deepEqual(
    wants.filter((name) => plan.packages.packages.includes(name)),
    wants,
  );
  equal(installParameters(plan), null);
});

test("a device of LVM's is the volume's name in its group, whose hyphens are two", () => {
  for (const [group, volume] of [
    ["pool", "root"],
    ["a-b", "c-d"],
    ["a--", "b"],
  ] as const) {
    equal(groupOfDevice(volumeDevice(group, volume)), group);
  }
});

const one = (partitions: object, more: object) => ({ disk: { a: disk("/dev/vda", partitions) }, ...more });
const root = part(fs("/"));
const two = (more: object, array: object) => ({
  disk: { a: disk("/dev/vda", { root, ...more }), b: disk("/dev/vdb", more) },
  mdadm: { r: { type: "mdadm", level: 1, ...array } },
});
const half = { r: { size: "1G", content: raid("r") } };
const lvs = (volumes: object) =>
  one({ p: part({ type: "lvm_pv", vg: "v" }) }, { lvm_vg: { v: { type: "lvm_vg", lvs: volumes } } });

const REFUSED: readonly (readonly [what: string, devices: object, says: RegExp])[] = [
  [
    "an array without partitions",
    one({ root }, { mdadm: { r: { level: 1 } } }),
    /disko\.devices\.mdadm\.r: no partition belongs to it/,
  ],
  [
    "a group without partitions",
    one({ root }, { lvm_vg: { v: { lvs: {} } } }),
    /lvm_vg\.v: no partition belongs to it/,
  ],
  [
    "an array of one",
    one({ root, ...half }, { mdadm: { r: { level: 1 } } }),
    /mdadm\.r\.level: level 1 needs 2 partitions, and the array has 1/,
  ],
  ["a level that there is not", two(half, { level: 7 }), /mdadm\.r\.level: mdadm has no level 7/],
  [
    "an array of the firmware's",
    two(half, { metadata: "imsm" }),
    /metadata = "imsm": that is an array of the firmware's/,
  ],
  [
    "a part that does not say of what",
    one({ root, x: { size: "1G", content: { type: "lvm_pv" } } }, {}),
    /partitions\.x: vg is missing/,
  ],
  [
    "a partition of an array that is too small",
    two(half, { content: gpt({ x: { size: "2M", content: fs("/x") } }) }),
    /mdadm\.r\.content\.partitions\.x\.size: the size 2M is too small/,
  ],
  [
    "what is wrong in an array",
    two(half, { content: { ...fs("/x"), label: "a b" } }),
    /mdadm\.r\.content\.label: the ext4 label "a b"/,
  ],
  [
    "an array in a volume",
    lvs({ root: { size: "1G", content: raid("r") } }),
    /lvm_vg\.v\.lvs\.root\.content: a volume cannot be part of/,
  ],
  [
    "a thin volume without its pool",
    lvs({ root: { size: "1G", lvm_type: "thinlv", content: fs("/") } }),
    /lvs\.root\.pool: /,
  ],
  [
    "a thin pool that there is not",
    lvs({ root: { size: "1G", lvm_type: "thinlv", pool: "t", content: fs("/") } }),
    /lvs\.root\.pool: there is no thin pool t/,
  ],
  [
    "a size that LVM would take for another",
    lvs({ root: { size: "10", content: fs("/") } }),
    /lvs\.root\.size: wanted a size such as 8G/,
  ],
  [
    "a name that LVM does not take",
    lvs({ root_mimage: { size: "1G" }, root: { size: "1G", content: fs("/") } }),
    /LVM does not accept the name of the volume: root_mimage/,
  ],
  [
    "an ESP on an array",
    two(
      { esp: { size: "1G", type: "EF00", content: raid("r") } },
      { content: { type: "filesystem", format: "vfat", mountpoint: "/boot" } },
    ),
    /partitions\.esp\.content: an ESP cannot be part of an array: [\s\S]*\/boot2/,
  ],
];

for (const [what, devices, says] of REFUSED) {
  test(`${what} is refused: where, why, and what to write`, () => {
    throws(
      () => planOfDevices(devices),
      (error: unknown) => {
        ok(error instanceof UserError, String(error));
        match(error.text, says);
        match(error.text, /disko-examples\.ts:\d+/);
        return true;
      },
    );
  });
}

test("for NixOS they are what disko has: each partition names what it belongs to", () => {
  const { options } = disksPart(planOfDevices(STACKED).disk);
  const { disko } = JSON.parse(JSON.stringify(options)) as {
    readonly disko: { readonly devices: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  };
  const { mdadm = {}, lvm_vg = {}, disk = {} } = disko.devices;
  deepEqual(mdadm.m, { type: "mdadm", level: 1, metadata: "default", content: { type: "lvm_pv", vg: "pool-a" } });
  match(JSON.stringify(mdadm.s), /"type":"gpt".*"mountpoint":"\/srv"/);
  match(JSON.stringify(lvm_vg["pool-a"]), /"small":\{"size":"10G","priority":2,"lvm_type":"thinlv","pool":"thin"/);
  match(JSON.stringify(disk.c), /"name":"x".*"content":\{"type":"lvm_pv","vg":"pool-a"\}/);
  equal(JSON.stringify([disk.a, disk.b]).split('"type":"mdraid"').length, 5);
  // It is pasted here too.
  deepEqual(volumesOf(planOfDevices(disko.devices).disk), volumesOf(planOfDevices(STACKED).disk));
});

test("what formatting takes of a machine is known before anything is written", () => {
  const needs = (devices: object) =>
    needsOf(planOfDevices(devices).disk.disks).map(({ program, driver }) => `${program} ${driver?.module ?? "-"}`);
  deepEqual(needs(STACKED), ["mdadm md_mod", "vgcreate dm_mod", "cryptsetup dm_mod"]);
  deepEqual(needs(one({ root }, {})), []);
  // Without content it is not opened.
  const empty = { size: "1G", content: { type: "luks", name: "x", passwordFile: "/tmp/x" } };
  deepEqual(needs(one({ root, empty }, {})), ["cryptsetup -"]);
});
