/** What people write for disko: it works, or says exactly why not and what to write. */
import { deepEqual, doesNotMatch, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { diskCommands } from "../../src/disk/commands.ts";
import { diskScript } from "../../src/disk/script.ts";
import { UserError } from "../../src/errors.ts";
import { ownLabels } from "../../src/layout/content.ts";
import { partitionType } from "../../src/layout/partition-types.ts";
import { installParameters } from "../../src/payload/host/install.ts";
import { diskWarnings } from "../../src/plan/disk-warnings.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { planOfDevices } from "./disko-examples.ts";
import { planWith } from "./host.ts";

const SURROUNDINGS = {
  under: "/mnt",
  scratch: "/s",
  udev: false,
  unsupported: [],
  mounts: [],
  mappings: [],
  tpm: true,
};

const fs = (format: string, mountpoint: string | null, more: object = {}) => ({
  ...{ type: "filesystem", format, mountpoint },
  ...more,
});
const root = { size: "100%", content: fs("ext4", "/") };
const ESP = { size: "500M", type: "EF00", content: fs("vfat", "/boot") };
const main = (partitions: object, more: object = {}, content: object = {}) => ({
  disk: { main: { type: "disk", device: "/dev/vda", ...more, content: { type: "gpt", partitions, ...content } } },
});
const btrfs = (subvolumes: object, more: object = {}) =>
  main({ ESP, root: { size: "100%", content: { type: "btrfs", subvolumes, ...more } } });
const luks = (more: object, content: object | null = fs("ext4", "/")) =>
  main({ ESP, luks: { size: "100%", content: { type: "luks", name: "crypted", ...more, content } } });

const MBR = { type: "table", format: "msdos" };
const rest = { name: "root", content: root.content };

const PARTITION = "disko\\.devices\\.disk\\.main\\.content\\.partitions\\.";

const ROOT = { "@root": { mountpoint: "/" } };
const BLANK = `
  set -euo pipefail
  # for the rollback
  MNT=$(mktemp -d)
  mkdir -p "$MNT"
  mount -t btrfs -o subvol=/ "$device" "$MNT"
  trap 'umount "$MNT"; rm -rf "$MNT"' EXIT
  btrfs subvolume snapshot -r "$MNT/@root" "$MNT/@root-blank"
`;

test("what stands beside a layout on NixOS is refused with where it stands here", () => {
  const beside: readonly (readonly [object, RegExp])[] = [
    [{ fileSystems: { "/persist": { neededForBoot: true } } }, /^fileSystems = .*neededForBoot: true there/s],
    [{ swapDevices: [{ device: "/swap/file" }] }, /^swapDevices = .*swapfile/s],
    [{ preservation: { preserveAt: { "/persist": {} } } }, /^preservation = .*environment\.persistence/s],
    [{ boot: { resumeDevice: "/dev/x" } }, /^boot\.resumeDevice = .*resumeDevice: true/s],
    [{ boot: { initrd: { postDeviceCommands: "mount /dev/x /mnt" } } }, /postDeviceCommands = .*wipes the root/s],
    [{ boot: { initrd: { systemd: { enable: true, services: { rollback: {} } } } } }, /services = .*wipes the root/s],
  ];
  for (const [module, says] of beside) {
    throws(
      () => planOfDevices(main({ ESP, root }), module),
      (error) => error instanceof UserError && says.test(error.text),
    );
  }
  const asked = { fileSystems: {}, swapDevices: [], boot: { resumeDevice: "", initrd: { systemd: { enable: true } } } };
  planOfDevices(main({ ESP, root }), asked);
});

test("a hook that only takes a blank snapshot needs no running: the initrd makes a fresh root without one", () => {
  planOfDevices(btrfs(ROOT, { postCreateHook: BLANK }));
});

test("a luks gives way to what it holds, where that declares the label of its partition", () => {
  const content = { type: "filesystem", format: "ext4", mountpoint: "/", extraArgs: ["-L luks"] };
  const [layout] = planOfDevices(luks({}, content)).disk.disks;
  const labels = layout?.partitions.flatMap((one) => (one.content === null ? [] : ownLabels(one.content)));
  deepEqual(labels, ["ESP", "luks-luks", "luks"]);
});

const refused: readonly (readonly [what: string, devices: object, says: string])[] = [
  [
    "a hook",
    main({ root: { ...root, content: { ...root.content, postCreateHook: "touch /x" } } }),
    `${PARTITION}root\\.content\\.postCreateHook = "touch /x": nixfleet does not run commands[\\s\\S]*remove it`,
  ],
  [
    "a hook that does more than a blank snapshot",
    btrfs(ROOT, { postCreateHook: `${BLANK}rm -rf /mnt/@root/*\n` }),
    `${PARTITION}root\\.content\\.postCreateHook = [\\s\\S]*remove it`,
  ],
  ["a hook of a disk", main({ root }, { preMountHook: "x" }), "disk\\.main\\.preMountHook = "],
  ["a device of its own", main({ root: { ...root, device: "/dev/sdz" } }), `${PARTITION}root\\.device = `],
  [
    "a filesystem without a partition table",
    main({}, {}, { type: "btrfs", subvolumes: { "/root": { mountpoint: "/" } } }),
    'content\\.type = "btrfs": every disk needs a partition table[\\s\\S]*partitions: \\{ root',
  ],
  [
    "more partitions than an MBR has",
    main(
      [1, 2, 3, 4, 5].map((n) => ({ name: `p${n}`, start: `${n}G`, end: `${n + 1}G` })),
      {},
      MBR,
    ),
    "an msdos table has room for 4 partitions[\\s\\S]*a BIOS boot from it too",
  ],
  [
    "a logical partition",
    main([{ name: "x", "part-type": "logical" }], {}, MBR),
    "part-type = .*no extended and logical",
  ],
  [
    "swap of an MBR with a random key",
    main([{ name: "s", end: "1G", content: { type: "swap", randomEncryption: true } }, rest], {}, MBR),
    "randomEncryption: the host finds this swap by the UUID",
  ],
  [
    "more than the whole disk in percent",
    main([{ name: "x", size: "60%", end: null }, { name: "y", size: "40%", end: null }, rest], {}, MBR),
    "partitions\\.\\w+: the partitions before it take the whole disk[\\s\\S]*smaller",
  ],
  [
    "a start in the partition before it, in percent",
    main({ ESP, a: { size: "50%", priority: 200 }, root: { start: "50%", end: "-0", content: root.content } }),
    'root: start = "50%": the partition before it ends at 50% and 501M[\\s\\S]*remove start',
  ],
  [
    "an end that may be before the start",
    main({ ESP, a: { end: "50%", priority: 200 }, root: { end: "20G", content: root.content } }),
    'root: end = "20G": the partition begins at 50%',
  ],
  [
    "two rests, of which a part in percent is before",
    main({
      ESP,
      a: { size: "10%", priority: 200 },
      b: { ...root, priority: 300 },
      root: { size: "1G", priority: 9002 },
    }),
    "disk main: the partitions take more than 100% of the disk[\\s\\S]*the rest",
  ],
  [
    "a start that is not where the partition before it ends",
    main(
      [
        { name: "x", end: "-2G" },
        { ...rest, start: "-1G" },
      ],
      {},
      MBR,
    ),
    'start = "-1G": the partition before it does not end there',
  ],
  ["a flag of parted that says nothing here", main([{ ...rest, flags: ["hidden"] }], {}, MBR), "flags.*no such flag"],
  ["a size of nothing", main({ root: { ...root, size: "0%" } }), `${PARTITION}root\\.size: wanted .*50%`],
  ["no size at all", main({ root: { content: root.content } }), `${PARTITION}root: neither size nor end`],
  [
    "an end before the start",
    main({ ESP, root: { start: "500M", end: "400M", content: root.content } }),
    "root: start = .*ends at 501M[\\s\\S]*at least 501M",
  ],
  [
    "an end that is meant for a size",
    main({ ESP: { ...ESP, size: null, end: "900M" }, root: { end: "800M", content: root.content } }),
    'begins at 900M[\\s\\S]*write size: "800M"',
  ],
  [
    "too little left at the end",
    main({ root: { end: "-1G", content: root.content }, swap: { size: "2G", content: { type: "swap" } } }),
    `${PARTITION}root\\.end: it leaves 1G .* need 2G[\\s\\S]*write end: "-2048M"`,
  ],
  ["an unknown type of partition", main({ root: { ...root, type: "AB12" } }), 'root: type = "AB12"[\\s\\S]*GUID'],
  [
    "a disk as a cache",
    { ...main({ root, x: { size: "1G", content: { type: "bcache_cache", name: "b" } } }), bcache: { b: {} } },
    `${PARTITION}x\\.content\\.type = "bcache_cache": .*as a cache[\\s\\S]*the slow disk`,
  ],
  ["a reserved attribute", main({ root: { ...root, attributes: [5] } }), `${PARTITION}root\\.attributes: the bit 5`],
  ["a format that Debian lacks", main({ root: { ...root, content: fs("bcachefs", "/") } }), "no bcachefs-tools"],
  [
    "arguments for a shell",
    main({ root: { ...root, content: fs("ext4", "/", { extraArgs: ["-L $HOST"] }) } }),
    '"\\$HOST" has characters that are not allowed',
  ],
  [
    "a second device that no disk of the layout has",
    btrfs({ "/root": { mountpoint: "/" } }, { extraArgs: ["-d raid1", "/dev/sdb1"] }),
    `${PARTITION}root\\.content\\.extraArgs: /dev/sdb1 is no partition of this host's disks that holds nothing else`,
  ],
  [
    "two subvolumes of one name",
    btrfs({ "/root": { mountpoint: "/" }, root: {} }),
    `${PARTITION}root\\.content\\.subvolumes: two subvolumes are named root`,
  ],
  ["a root in memory", { ...main({ ESP }), nodev: { "/": { fsType: "tmpfs" } } }, 'nodev\\."/": the root is on a disk'],
  [
    "a filesystem of the network",
    { ...main({ root }), nodev: { "/x": { fsType: "nfs", device: "h:/x" } } },
    "nodev.*network",
  ],
  [
    "a tmpfs over a disk's filesystem",
    { ...main({ ESP, root }), nodev: { "/boot": { fsType: "tmpfs" } } },
    'nodev\\."/boot": a filesystem of a disk is mounted there too',
  ],
  [
    "a tmpfs over what comes with the closure",
    { ...main({ root }), nodev: { "/run": { fsType: "tmpfs" } } },
    "it is the kernel's",
  ],
  ["a bind of nothing", { ...main({ root }), nodev: { "/x": { fsType: "none" } } }, 'add device: "/the/folder"'],
  [
    "a root whose key file is elsewhere at boot",
    luks({ settings: { keyFile: "/tmp/secret.key" } }),
    `${PARTITION}luks\\.content\\.settings\\.keyFile: nothing opens this luks at boot[\\s\\S]*write passwordFile`,
  ],
  ["a key that disko gave up", luks({ keyFile: "/tmp/secret.key" }), `${PARTITION}luks\\.content\\.keyFile = `],
  ["a smart card", luks({ settings: { gpgCard: {} } }), "settings\\.gpgCard"],
  [
    "a random key for what is resumed from",
    main({ root, s: { size: "1G", content: { type: "swap", randomEncryption: true, resumeDevice: true } } }),
    `${PARTITION}s\\.content\\.resumeDevice: a host cannot resume`,
  ],
  [
    "a part of an array that is nowhere",
    main({ root, x: { size: "1G", content: { type: "mdraid", name: "r" } } }),
    `${PARTITION}x\\.content\\.name: there is no disko\\.devices\\.mdadm\\.r`,
  ],
];

for (const [what, devices, says] of refused) {
  test(`${what} is refused: where, why, and what to write`, () => {
    throws(
      () => planOfDevices(devices),
      (error: unknown) => {
        ok(error instanceof UserError, String(error));
        match(error.text, new RegExp(says));
        match(error.text, /disko-examples\.ts:\d+/);
        return true;
      },
    );
  });
}

const partitions = ({ disk }: HostPlan) => disk.disks.flatMap(({ partitions }) => partitions);
const text = ({ files }: HostPlan, path: string) =>
  files.flatMap((file) => (file.path === path && file.kind === "text" ? file.text : [])).join("");

test("subvolumes have their names with and without a slash, parents are made first, and the whole is mounted too", () => {
  const plan = planOfDevices(
    btrfs(
      { "/root": { mountpoint: "/" }, "/home/user": {}, home: { mountpoint: "/home" }, "x/y": { name: "/a/b" } },
      { mountpoint: "/whole", mountOptions: ["compress=zstd,noatime"] },
    ),
  );
  const [layout] = plan.disk.disks;
  ok(layout !== undefined);
  const commands = diskCommands([{ layout, device: "/dev/vda" }], ["format"], SURROUNDINGS).map(({ program, args }) =>
    [program, ...args].join(" "),
  );
  deepEqual(
    commands.filter((line) => /subvolume|\/s\//.test(line)),
    [
      "mkdir --parents -- /s/a",
      ...["a/b", "home", "home/user", "root"].map((name) => `btrfs subvolume create /s/${name}`),
    ],
  );
  match(text(plan, "/etc/fstab"), /^\/dev\/disk\/by-label\/root \/whole btrfs subvol=\/,compress=zstd,noatime 0 0$/m);
});

const formatScript = (plan: HostPlan) => {
  const disks = plan.disk.disks.map((layout) => ({ layout, device: layout.device }));
  return diskScript(diskCommands(disks, ["format"], SURROUNDINGS));
};

test("an older table is a list in its order, in parted's words, as a GPT or an MBR", () => {
  const list = [
    { name: "ESP", start: "1MiB", end: "500MB", bootable: true, content: ESP.content },
    { name: "swap", start: "500MB", end: "1G", "fs-type": "linux-swap", content: { type: "swap" } },
    { ...rest, start: "1G", end: "100%", "part-type": "primary", bootable: true },
  ];
  match(
    formatScript(planOfDevices(main(list, {}, { type: "table" }))),
    /^label: gpt\nname="ESP", type=C12A.*, start=1MiB, size=475MiB\nname="swap", type=0657.*, start=476MiB, size=548MiB\nname="root", type=0FC6.*, start=1024MiB\nEND$/m,
  );
  const plan = planOfDevices(main(list, {}, MBR));
  match(
    formatScript(plan),
    /^label: dos\ntype=ef, start=1MiB, size=475MiB, bootable\ntype=82, start=476MiB, size=548MiB\ntype=83, start=1024MiB, bootable\nEND$/m,
  );
  deepEqual(plan.loader.esps, ["/boot"]);
  match(diskWarnings(plan.disk, plan.loader).join(), /a BIOS cannot boot it: .* EF02/);
});

test("types of partitions are those of sgdisk, in any case, or a GUID", () => {
  deepEqual(["EF00", "ef00", "EA00", "8309", "0fc63daf-8483-4772-8e79-3d69d8477de4", "AB12"].map(partitionType), [
    "esp",
    "esp",
    "xbootldr",
    "luks",
    "linux",
    null,
  ]);
  const own = "11111111-2222-4333-8444-555555555555";
  deepEqual(partitionType(own), own);
});

test("a label is the one of extraArgs, or the partition's name made to fit, and never twice the same", () => {
  const plan = planOfDevices(
    main({
      a: { size: "100M", content: fs("vfat", null, { extraArgs: ["-n", "DATA"] }) },
      "name with spaces": { size: "100M", content: fs("vfat", null) },
      "name with spices": { size: "100M", content: fs("vfat", null) },
      root: {
        size: "100%",
        content: { type: "btrfs", mountpoint: "/", extraArgs: ["-f", "--label=nixos", "-d single"] },
      },
    }),
  );
  const labels = partitions(plan).map(({ content }) =>
    content !== null && "label" in content ? (content.label ?? "") : "",
  );
  deepEqual([labels[0], labels[3]], ["DATA", "nixos"]);
  for (const label of labels.slice(1, 3)) match(label, /^name_w-[0-9a-f]{4}$/);
  deepEqual(new Set(labels).size, 4);
  const content = partitions(plan)[3]?.content;
  deepEqual(content?.kind === "btrfs" ? content.extraArgs : [], ["-d", "single"]);
});

test("a luks without a key asks for its passphrase before anything is written, and takes more keys and settings", () => {
  const plan = planOfDevices(
    luks({
      additionalKeyFiles: ["/tmp/recovery.key"],
      extraFormatArgs: ["--iter-time 1"],
      settings: { allowDiscards: true, bypassWorkqueues: true, crypttabExtraOpts: ["tries=5"] },
    }),
  );
  deepEqual(plan.boot.crypttab, [
    "crypted /dev/disk/by-label/luks none luks,discard,no-read-workqueue,no-write-workqueue,tries=5,x-initrd.attach",
  ]);
  const [layout] = plan.disk.disks;
  ok(layout !== undefined);
  const script = diskScript(diskCommands([{ layout, device: "/dev/vda" }], ["format"], SURROUNDINGS));
  ok(script.indexOf("IFS= read -r passphrase1") < script.indexOf("wipefs"));
  const key = 'printf %s "\\$passphrase1" \\| cryptsetup';
  match(script, new RegExp(`^${key} luksFormat .*--iter-time 1 --key-file - -- /dev/vda2$`, "m"));
  match(script, new RegExp(`^${key} luksAddKey --batch-mode --key-file - -- /dev/vda2 /tmp/recovery.key$`, "m"));
  match(installParameters(plan) ?? "", /^KEYS='\n\/tmp\/recovery.key'$/m);
  match(script, new RegExp(`^${key} open .*--perf-no_read_workqueue --perf-no_write_workqueue`, "m"));
});

test("a luks without content is made and labelled, and the host opens nothing", () => {
  const plan = planOfDevices({
    disk: {
      ...main({ ESP, root }).disk,
      data: {
        ...{ type: "disk", device: "/dev/vdb" },
        content: { type: "gpt", partitions: { spare: { size: "100%", content: { type: "luks", name: "spare" } } } },
      },
    },
  });
  deepEqual([text(plan, "/etc/crypttab"), plan.boot.crypttab], ["", []]);
  const layout = plan.disk.disks.find(({ name }) => name === "data");
  ok(layout !== undefined);
  const run = diskCommands([{ layout, device: "/dev/vdb" }], ["format"], SURROUNDINGS).filter(
    ({ program }) => program === "cryptsetup",
  );
  deepEqual(
    run.map(({ args }) => args[0]),
    ["luksFormat", "config"],
  );
  deepEqual(diskCommands([{ layout, device: "/dev/vdb" }], ["mount"], SURROUNDINGS), []);
});

const raid1 = (second: object, more: object) => ({
  disk: {
    one: { type: "disk", device: "/dev/sda", content: { type: "gpt", partitions: { ESP, ...second } } },
    two: {
      ...{ type: "disk", device: "/dev/disk/by-id/two" },
      content: {
        type: "gpt",
        partitions: {
          root: {
            size: "100%",
            content: { type: "btrfs", label: "pool", subvolumes: { "@": { mountpoint: "/" } }, ...more },
          },
        },
      },
    },
  },
});

test("a btrfs on several devices has those that its arguments name, however they name them", () => {
  for (const [device, second] of [
    ["/dev/sda2", { half: { size: "100%" } }],
    ["/dev/disk/by-partlabel/disk-one-half", { half: { size: "100%" } }],
    ["/dev/disk/by-partlabel/mine", { half: { size: "100%", label: "mine" } }],
    [
      "/dev/disk/by-partuuid/0fc63daf-8483-4772-8e79-3d69d8477de4",
      { half: { size: "100%", uuid: "0FC63DAF-8483-4772-8E79-3D69D8477DE4" } },
    ],
    ["/dev/mapper/p1", { half: { size: "100%", content: { type: "luks", name: "p1" } } }],
  ] as const) {
    const plan = planOfDevices(raid1(second, { extraArgs: [`-d raid1 -m raid1`, device] }));
    const partition = "label" in second.half ? "mine" : "half";
    const inner = plan.disk.disks[1]?.partitions[0]?.content;
    ok(inner?.kind === "btrfs", device);
    deepEqual([inner.members, inner.extraArgs], [[{ disk: "one", partition }], ["-d", "raid1", "-m", "raid1"]], device);
    ok(plan.boot.mounts.every(({ mountpoint, options }) => mountpoint === "/nix" || options.includes("degraded")));
    const disks = plan.disk.disks.map((layout) => ({ layout, device: layout.device }));
    const commands = diskCommands(disks, ["format"], SURROUNDINGS).map(({ program, args }) =>
      [program, ...args].join(" "),
    );
    const member = device.startsWith("/dev/mapper") ? device : "/dev/sda2";
    const made = commands.findIndex((line) => line.startsWith("mkfs.btrfs"));
    match(commands[made] ?? "", new RegExp(`two-part1 ${member}$`));
    if (!member.startsWith("/dev/mapper/")) continue;
    match(commands[made - 1] ?? "", /^cryptsetup open .* p1$/);
    ok(commands.slice(made).includes("cryptsetup close -- p1"));
    match(plan.boot.crypttab.join(), /^p1 .*x-initrd\.attach/);
  }
});

test("one device is not twice a further one, nor what holds something itself", () => {
  const taken = { half: { size: "100%", content: fs("ext4", "/srv") } };
  for (const [second, extraArgs] of [
    [taken, ["/dev/sda2"]],
    [{ half: { size: "100%" } }, ["/dev/sda2", "/dev/disk/by-partlabel/disk-one-half"]],
  ] as const) {
    throws(
      () => planOfDevices(raid1(second, { extraArgs })),
      (error: unknown) => error instanceof UserError && /is no partition of this host's disks that/.test(error.text),
    );
  }
});

test("swap with a random key is found by its partition's own UUID, which is the same in every plan, and not formatted", () => {
  const devices = main({
    ...{ ESP, root },
    swap: { size: "1G", content: { type: "swap", randomEncryption: true, discardPolicy: "once", priority: 5 } },
  });
  const plan = planOfDevices(devices);
  const uuid = partitions(plan).find(({ name }) => name === "swap")?.uuid ?? "";
  match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  deepEqual(
    text(plan, "/etc/crypttab"),
    `swap /dev/disk/by-partuuid/${uuid} /dev/urandom swap,cipher=aes-xts-plain64,size=512,discard,nofail\n`,
  );
  match(text(plan, "/etc/fstab"), /^\/dev\/mapper\/swap none swap discard=once,pri=5,nofail 0 0$/m);
  deepEqual(planOfDevices(devices), plan);
  ok(plan.packages.packages.includes("systemd-cryptsetup"));
});

test("a tmpfs and a bind are mounted by the host", () => {
  const plan = planOfDevices({
    ...main({ ESP, root }),
    nodev: {
      "/tmp": { fsType: "tmpfs", mountOptions: ["size=200M", "mode=1777"] },
      "/srv/www": { fsType: "none", device: "/var/www", mountOptions: ["bind"] },
    },
  });
  match(text(plan, "/etc/fstab"), /^tmpfs \/tmp tmpfs size=200M,mode=1777 0 0$/m);
  match(text(plan, "/etc/fstab"), /^\/var\/www \/srv\/www none bind 0 0$/m);
});

test("what would hide what persists is refused, and so is what only a command for disks reads", () => {
  throws(
    () => planWith({ disko: { devices: { nodev: { "/var/log": { fsType: "tmpfs" } } } } }),
    (error: unknown) => error instanceof UserError && /the tmpfs on \/var\/log would hide/.test(error.text),
  );
  const hooked = { disko: { devices: { disk: { main: { postCreateHook: "x" as unknown as null } } } } };
  throws(() => planWith(hooked), /postCreateHook = "x": nixfleet does not run commands/);
});

test("what works otherwise than it looks is a warning", () => {
  const warnings = (partitions: object) => {
    const plan = planOfDevices(main(partitions));
    return diskWarnings(plan.disk, plan.loader).join("\n");
  };
  match(warnings({ boot: { size: "1M", type: "EF02" }, ESP, root }), /a BIOS cannot boot it/);
  match(warnings({ ESP, x: { ...ESP, type: "EA00", content: fs("vfat", "/efi") }, root }), /not on the XBOOTLDR/);
  match(warnings({ ESP, second: { ...ESP, content: fs("vfat", null) }, root }), /the ESP second is mounted nowhere/);
  doesNotMatch(warnings({ ESP, root }), /./);
});

test("f2fs wants a kernel that has it", () => {
  const devices = main({ ESP, root: { size: "100%", content: fs("f2fs", "/") } });
  ok(planOfDevices(devices).packages.packages.includes("f2fs-tools"));
  throws(
    () => planOfDevices(devices, { boot: { kernelPackage: "linux-image-cloud-amd64" } }),
    (error: unknown) => error instanceof UserError && /linux-image-cloud-amd64 has no f2fs/.test(error.text),
  );
});
