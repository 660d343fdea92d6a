/** Layouts as people write them for disko, made on real devices. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspectDevice } from "../../src/disk/device.ts";
import { isFormatted } from "../../src/disk/formatted.ts";
import { wantedMounts } from "../../src/disk/mounts.ts";
import { refuseUnable } from "../../src/disk/needs.ts";
import { dryRun } from "../../src/disk/request.ts";
import { diskSurroundings, formatDisks, mountDisks } from "../../src/disk/run.ts";
import { UserError } from "../../src/errors.ts";
import { type DiskLayout, partitionDevice } from "../../src/layout/gpt.ts";
import { GIB, MIB } from "../../src/layout/size.ts";
import { run } from "../../src/local/process.ts";
import { loopDevice, temporaryFolder } from "../../src/local/resources.ts";
import { planOfDevices, planOfExample } from "../unit/disko-examples.ts";

/** One of each kind that works: others differ in sizes only. What is encrypted is tried by test/vm/disks.test.ts. */
const KINDS = [
  ...["btrfs-only-root-subvolume", "btrfs-subvolumes", "f2fs", "gpt-name-with-whitespace"],
  ...["hybrid", "legacy-table-with-whitespace", "stand-alone/configuration", "swap", "xfs-with-quota"],
];

for (const name of KINDS) {
  test(`disko's example ${name} is formatted as it is declared, and mounted`, async () => {
    const [layout] = planOfExample(name).disk.disks;
    ok(layout !== undefined);
    await formatAndMount(withoutQuotas(layout));
  });
}

/** Not every kernel can count what a project holds on xfs. Debian's can. */
function withoutQuotas(layout: DiskLayout): DiskLayout {
  const partitions = layout.partitions.map((partition) =>
    partition.content?.kind === "filesystem"
      ? {
          ...partition,
          content: {
            ...partition.content,
            mountOptions: partition.content.mountOptions.filter((option) => option !== "pquota"),
          },
        }
      : partition,
  );
  return { ...layout, partitions };
}

/** As far as this kernel knows the filesystems. */
async function formatAndMount(layout: DiskLayout): Promise<void> {
  await using disk = await emptyDisk(6 * GIB);
  await formatDisks([{ layout, device: disk.device }]);
  ok(await isFormatted(layout, disk.device));
  const under = join(disk.folder, "mnt");
  const { unsupported } = await diskSurroundings([{ layout, device: disk.device }], under);
  const wanted = wantedMounts([{ layout, device: disk.device }], under).filter(
    ({ fsType }) => !unsupported.includes(fsType),
  );
  if (!wanted.some(({ target }) => target === under)) return;
  await using _ = await mountDisks([{ layout, device: disk.device }], under);
  deepEqual((await mountsBelow(under)).sort(), wanted.map(({ target, fsRoot }) => `${fsRoot} ${target}`).sort());
}

const geometry = {
  disk: {
    main: {
      ...{ type: "disk", device: "/dev/vda" },
      content: {
        type: "gpt",
        partitions: {
          ESP: {
            ...{ start: "1M", end: "129M", type: "ef00", uuid: "F0F0F0F0-F0F0-F0F0-F0F0-F0F0F0F0F0F0" },
            ...{ attributes: [0, 63], content: { type: "filesystem", format: "vfat", extraArgs: ["-n EFI"] } },
          },
          'a "quoted" \\x41 ü^#': { start: "200M", size: "1.5G", type: "EA00", priority: 500 },
          root: {
            ...{ end: "-1.5G", priority: 600 },
            content: { type: "filesystem", format: "btrfs", mountpoint: "/", extraArgs: ["-L nixos", "-n", "32k"] },
          },
          swap: { size: "100M", content: { type: "swap", extraArgs: ["-L", "sw"] } },
          own: { size: "100%", type: "0fc63daf-8483-4772-8e79-3d69d8477de4", label: "the rest" },
        },
      },
    },
  },
};

test("partitions begin and end where start, end, negative and decimal sizes say, under any name", async () => {
  const [layout] = planOfDevices(geometry).disk.disks;
  ok(layout !== undefined);
  await using real = await emptyDisk(8 * GIB);
  await formatDisks([{ layout, device: real.device }]);
  const end = 8 * GIB - MIB; // the second copy of the table
  deepEqual(await tableOf(real.device), [
    [1 * MIB, 128 * MIB, "ESP", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "RequiredPartition GUID:63"],
    [200 * MIB, 1.5 * GIB, 'a "quoted" \\x41 ü^#', "BC13C2FF-59E6-4262-A352-B275FD6F7172", ""],
    [200 * MIB + 1.5 * GIB, end - 200 * MIB - 3 * GIB, "root", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", ""],
    [end - 1.5 * GIB, 100 * MIB, "swap", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", ""],
    [end - 1.5 * GIB + 100 * MIB, 1.5 * GIB - 100 * MIB, "the rest", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", ""],
  ]);
  const label = async (number: number) =>
    (await run("blkid", ["-p", "-o", "value", "-s", "LABEL", partitionDevice(real.device, number)])).trim();
  deepEqual([await label(1), await label(3), await label(4)], ["EFI", "nixos", "sw"]);
  match(await run("sfdisk", ["--dump", real.device]), /uuid=F0F0F0F0-F0F0-F0F0-F0F0-F0F0F0F0F0F0/);
  // The script of a dry run makes the same table, and another size of disk another end.
  await using shown = await emptyDisk(9 * GIB);
  const target = { kind: "devices", disks: [{ layout, device: shown.device }] } as const;
  await run("sh", [], { input: await dryRun({ modes: ["format"], under: "/mnt", target }) });
  equal((await tableOf(shown.device))[2]?.[1], end + GIB - 200 * MIB - 3 * GIB);
});

test("partitions in percent have their part of a disk of any size", async () => {
  const content = { type: "filesystem", format: "ext4", mountpoint: "/" };
  const planned = (table: object) =>
    planOfDevices({ disk: { main: { type: "disk", device: "/dev/vda", content: table } } }).disk.disks[0];
  const sized = planned({
    type: "gpt",
    partitions: {
      ESP: { size: "128M", type: "EF00", content: { type: "filesystem", format: "vfat" } },
      'a "half" - -': { size: "50%", content },
      swap: { size: "100M", priority: 8000, content: { type: "swap" } },
      rest: { size: "100%" },
    },
  });
  const placed = planned({
    ...{ type: "table", format: "msdos" },
    partitions: [
      { name: "ESP", end: "10%", bootable: true, content: { type: "filesystem", format: "vfat" } },
      { name: "root", start: "33.3%", end: "50%", content },
      { name: "more", start: "50%", end: "-1G" },
      { name: "swap", start: "-1G", end: "100%", content: { type: "swap" } },
    ],
  });
  ok(sized !== undefined && placed !== undefined);
  await using real = await emptyDisk(3 * GIB + 5000 * 512);
  const sizes = async () =>
    (await tableOf(real.device)).map((line) => line.slice(0, 2).map((bytes) => Number(bytes) / MIB));
  await formatDisks([{ layout: sized, device: real.device }]);
  const total = 3074;
  deepEqual(await sizes(), [
    [1, 128],
    [129, total / 2],
    [129 + total / 2, 100],
    [229 + total / 2, total / 2 - 230],
  ]);
  deepEqual([await isFormatted(sized, real.device), await isFormatted(placed, real.device)], [true, false]);
  await formatDisks([{ layout: placed, device: real.device }], { wipe: [real.device] });
  deepEqual(await sizes(), [
    [1, 306],
    [1023, total / 2 - 1023],
    [total / 2, total / 2 - 1024],
    [total - 1024, 1023],
  ]);
  // The script of a dry run makes the same table on a disk of another size.
  await using shown = await emptyDisk(2 * GIB);
  const target = { kind: "devices", disks: [{ layout: sized, device: shown.device }] } as const;
  await run("sh", [], { input: await dryRun({ modes: ["format"], under: "/mnt", target }) });
  deepEqual((await tableOf(shown.device))[1]?.slice(0, 3), [129 * MIB, GIB, 'a "half" - -']);
});

test("an MBR is made as it is declared, is known again, and is no GPT with the same partitions", async () => {
  const list = (format: string) =>
    planOfDevices({
      disk: {
        main: {
          ...{ type: "disk", device: "/dev/vda" },
          content: {
            ...{ type: "table", format },
            partitions: [
              { name: "ESP", end: "128M", bootable: true, content: { type: "filesystem", format: "vfat" } },
              {
                name: "root",
                start: "128M",
                end: "-1G",
                content: { type: "filesystem", format: "ext4", mountpoint: "/" },
              },
              { name: "swap", start: "-1G", content: { type: "swap" } },
            ],
          },
        },
      },
    }).disk.disks[0];
  const [mbr, gpt] = [list("msdos"), list("gpt")];
  ok(mbr !== undefined && gpt !== undefined);
  await using disk = await emptyDisk(3 * GIB);
  await formatDisks([{ layout: mbr, device: disk.device }]);
  deepEqual([await isFormatted(mbr, disk.device), await isFormatted(gpt, disk.device)], [true, false]);
  match(
    await run("sfdisk", ["--dump", disk.device]),
    /^label: dos$[\s\S]*start= +2048, size= +260096, type=ef, bootable\n.*start= +262144, size= +3932160, type=83\n.*start= +4194304, size= +2097152, type=82\n$/m,
  );
});

test("a layout that this machine cannot make is refused before its disk is touched", async (t) => {
  const name = "unlikely";
  const pv = { size: "100%", content: { type: "mdraid", name } };
  const disk = (device: string, partitions: object) => ({ device, content: { type: "gpt", partitions } });
  const plan = planOfDevices({
    disk: { a: disk("/dev/vda", { pv }), b: disk("/dev/vdb", { pv }) },
    mdadm: { [name]: { level: 1, content: { type: "filesystem", format: "ext4", mountpoint: "/" } } },
  });
  const layouts = plan.disk.disks;
  const able = await refuseUnable(layouts).then(
    () => true,
    () => false,
  );
  if (able) return t.skip("it can");
  await using one = await emptyDisk(GIB);
  await using two = await emptyDisk(GIB);
  const disks = layouts.map((layout, index) => ({ layout, device: [one, two][index]?.device ?? "" }));
  await rejects(formatDisks(disks), says(/is not installed|kernel has no RAID driver/));
  for (const { device } of [one, two]) deepEqual((await inspectDevice(device)).contents, []);
});

const says = (what: RegExp) => (error: unknown) => error instanceof UserError && what.test(error.text);

/** Nothing that a device mapper would have to open. */
const emptyLuks = (luks: object): DiskLayout => {
  const extraFormatArgs = ["--pbkdf pbkdf2", "--pbkdf-force-iterations 1000"];
  const spare = { size: "100%", content: { type: "luks", name: "spare", extraFormatArgs, ...luks } };
  const root = { size: "100%", content: { type: "filesystem", format: "ext4", mountpoint: "/" } };
  const disk = (device: string, partitions: object) => ({ device, content: { type: "gpt", partitions } });
  const plan = planOfDevices({ disk: { main: disk("/dev/vda", { root }), data: disk("/dev/vdb", { spare }) } });
  const layout = plan.disk.disks.find(({ name }) => name === "data");
  ok(layout !== undefined);
  return layout;
};

const opens = (device: string, ...args: readonly string[]) =>
  run("cryptsetup", ["open", "--test-passphrase", ...args, `${device}p1`]);

test("each key that is declared opens what is encrypted, and only the part of its file that is the key", async () => {
  await using disk = await emptyDisk(GIB);
  const file = (name: string) => join(disk.folder, name);
  const layout = emptyLuks({
    settings: { keyFile: file("key"), keyFileOffset: 2, keyFileSize: 8 },
    additionalKeyFiles: [file("recovery key")],
  });
  await writeFile(file("key"), "0123456789abcdef");
  await rejects(formatDisks([{ layout, device: disk.device }]), /there is no file .*recovery key/);
  await writeFile(file("recovery key"), Buffer.of(0, 10, 255));
  await formatDisks([{ layout, device: disk.device }]);
  ok(await isFormatted(layout, disk.device));
  await writeFile(file("part"), "23456789");
  for (const name of ["part", "recovery key"]) await opens(disk.device, "--key-file", file(name));
  await rejects(opens(disk.device, "--key-file", file("key")), says(/No key available/));
});

test("a passphrase that nobody wrote into a file is asked for twice, before anything is written", async () => {
  await using disk = await emptyDisk(GIB);
  const layout = emptyLuks({});
  // A test has no terminal.
  await rejects(formatDisks([{ layout, device: disk.device }]), /cannot ask for the passphrase of spare/);
  const target = { kind: "devices", disks: [{ layout, device: disk.device }] } as const;
  const script = join(disk.folder, "script");
  await writeFile(script, await dryRun({ modes: ["format"], under: "/mnt", target }));
  for (const typed of ["one\nother\n", "\n\n"]) {
    await rejects(run("sh", [script], { input: typed }), says(/the passphrases differ or are empty/));
    deepEqual((await inspectDevice(disk.device)).contents, []);
  }
  await run("sh", [script], { input: "it's $HOME \\\nit's $HOME \\\n" });
  ok(await isFormatted(layout, disk.device));
  await writeFile(join(disk.folder, "typed"), "it's $HOME \\");
  await opens(disk.device, "--key-file", join(disk.folder, "typed"));
});

async function tableOf(device: string) {
  const { partitiontable } = JSON.parse(await run("sfdisk", ["--json", device])) as {
    readonly partitiontable: {
      readonly sectorsize: number;
      readonly partitions: readonly {
        readonly start: number;
        readonly size: number;
        readonly name: string;
        readonly type: string;
        readonly attrs?: string;
      }[];
    };
  };
  const { sectorsize, partitions } = partitiontable;
  return partitions.map((one) => [one.start * sectorsize, one.size * sectorsize, one.name, one.type, one.attrs ?? ""]);
}

async function emptyDisk(size: number) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const image = join(folder, "image");
  await writeFile(image, "");
  await truncate(image, size);
  const { device } = stack.use(await loopDevice(image));
  return { folder, device, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function mountsBelow(folder: string): Promise<string[]> {
  const found = JSON.parse(await run("findmnt", ["--json", "--list", "--nofsroot", "--output", "TARGET,FSROOT"])) as {
    readonly filesystems: readonly { readonly target: string; readonly fsroot: string }[];
  };
  return found.filesystems
    .filter(({ target }) => target === folder || target.startsWith(`${folder}/`))
    .map(({ target, fsroot }) => `${fsroot} ${target}`);
}
