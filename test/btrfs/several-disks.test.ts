/** A btrfs on two disks: formatted, mounted, wiped, installed onto, and what becomes of it where one of them is missing. */
import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { imagesOf, provideImages } from "../../src/deploy/image.ts";
import { claimDevices, installOnDevices } from "../../src/deploy/install.ts";
import { dryRun } from "../../src/disk/request.ts";
import { formatDisks, mountDisks, unmountDisks } from "../../src/disk/run.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import type { PlacedDisk } from "../../src/layout/gpt.ts";
import { GIB } from "../../src/layout/size.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { type LoopDevice, loopDevice, mounted, mountFolder, temporaryFolder } from "../../src/local/resources.ts";
import { initrdFiles } from "../../src/payload/initrd/files.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { DiskTable } from "../disk-table.ts";
import { planOfDevices } from "../unit/disko-examples.ts";
import { released } from "./released.ts";
import { smallClosure } from "./small-closure.ts";
import { type Filesystem, wipe } from "./wipe-filesystem.ts";

const table = new DiskTable(import.meta.filename);
const plan = mkHost({
  hostName: "test",
  platform: "x86_64-linux",
  hostSpec: { userName: "alice" },
  modules: [
    diskoTemplates.btrfsRaid1Impermanence({ disks: ["/dev/disk/by-id/one", "/dev/disk/by-id/two"], espSize: "128M" }),
    { nixfleet: { impermanence: { enable: true } } },
  ],
}).plan();

test("a filesystem on two disks is formatted, mounted and unmounted as one, each as often as one likes", async () => {
  await using two = await twoDisks();
  const under = join(two.folder, "mnt");
  await formatDisks(two.disks);
  await using _ = await mountDisks(two.disks, under);
  await writeFile(join(under, "persist/kept"), "yes");
  match(await run("btrfs", ["filesystem", "df", under]), /Data, RAID1:[\s\S]*Metadata, RAID1:/);
  const shown = await run("btrfs", ["filesystem", "show", under]);
  for (const { device } of two.disks) match(shown, new RegExp(`path ${device}p2$`, "m"));
  await (await mountDisks(two.disks, under))[Symbol.asyncDispose]();
  ok(!(await run("findmnt", ["--list", "--output", "TARGET"])).includes(under));
  const notes: string[] = [];
  await formatDisks(two.disks, { onNote: (line) => notes.push(line) });
  deepEqual(
    notes,
    two.disks.map(({ device }) => `${device} already has this layout`),
  );
  await using _again = await mountDisks(two.disks, under);
  equal(await readFile(join(under, "persist/kept"), "utf8"), "yes");
  for (const mode of ["format", "mount", "unmount"]) table.ran("btrfsRaid1Impermanence", mode);
});

test("disks that share a filesystem are not formatted one without the other", async () => {
  await using two = await twoDisks();
  await formatDisks(two.disks);
  const [main, second] = two.disks;
  ok(main !== undefined && second !== undefined);
  for (const { device } of two.disks) await released(device);
  await rejects(formatDisks(two.disks, { wipe: [second.device] }), /holds data/);
  await rejects(formatDisks([main], { wipe: [main.device] }), /a filesystem is on the disk second too/);
  await formatDisks(two.disks, { wipe: [main.device, second.device] });
});

test("the dry run's script makes the same of two disks", async () => {
  await using two = await twoDisks();
  const under = join(two.folder, "mnt");
  const target = { kind: "devices", disks: two.disks } as const;
  await run("sh", [], { input: await dryRun({ target, modes: ["format", "mount"], under }) });
  match(await run("btrfs", ["filesystem", "df", under]), /Data, RAID1:/);
  await unmountDisks(two.disks, under);
});

test("each of the disks gets the boot loader and the entries, and they name the filesystem by its UUID", async () => {
  await using two = await twoDisks();
  const closure = await smallClosure(two.folder);
  {
    await using claim = await claimDevices(two.disks);
    await installOnDevices({ plan, closure, claim, onProgress: () => {} });
  }
  const uuid = (await run("blkid", ["--probe", "-s", "UUID", "-o", "value", `${two.disks[0]?.device}p2`])).trim();
  const read = (device: string, path: string) => run("mtype", ["-i", `${device}p1`, `::/${path}`]);
  const [one = "", other = ""] = await Promise.all(
    two.disks.map(({ device }) => read(device, "loader/entries/nixfleet-1+3.conf")),
  );
  equal(one, other);
  match(one, new RegExp(`nixfleet\\.disks=(\\S+,)?root/${uuid}`));
  for (const { device } of two.disks) equal(await read(device, "EFI/BOOT/BOOTx64.efi"), "loader");
});

test("its images are made together, get a new closure together, and one without the other is refused", async () => {
  await using folder = await temporaryFolder();
  const images = imagesOf(plan, join(folder.path, "test.raw"), ["2G", "second=3G"]);
  const files = images.map(({ file }) => file);
  deepEqual(
    images.map(({ file, size }) => [file.slice(folder.path.length + 1), size / GIB]),
    [
      ["test-main.raw", 2],
      ["test-second.raw", 3],
    ],
  );
  throws(() => imagesOf(plan, "x.raw", ["third=1G"]), /names no disk of the host/);
  const closure = await smallClosure(folder.path);
  await provideImages({ plan, closure, images });
  const entriesOf = async () => {
    await using main = await loopDevice(files[0] ?? "");
    await run("partx", ["--update", "--", main.device]); // some kernels do not read a GPT
    return await run("mdir", ["-b", "-i", `${main.device}p1`, "::/loader/entries"]);
  };
  match(await entriesOf(), /nixfleet-1\+3\.conf/);
  await provideImages({ plan, closure: await smallClosure(folder.path, "d"), images });
  match(await entriesOf(), /nixfleet-2\+3\.conf/);
  await rm(files[1] ?? "");
  await rejects(provideImages({ plan, closure, images }), /only some of the host's disks are there: .*test-main\.raw/);
  await rm(files[0] ?? "");
  const firstFiles = [{ local: join(folder.path, "gone"), path: "/persist/x" }];
  await rejects(provideImages({ plan, closure, images, firstFiles }), /ENOENT/);
  deepEqual(
    (await readdir(folder.path)).filter((name) => name.startsWith("test-")),
    [],
  );
});

test("a missing disk is named; the filesystem is mounted without it only where somebody has told so", async () => {
  await using two = await twoDisks();
  const [main] = two.disks;
  ok(main !== undefined);
  await formatDisks(two.disks);
  const links = join(two.folder, "links");
  await mkdir(links);
  await symlink(`${main.device}p2`, join(links, "root"));
  const parameters = { KERNEL_COMMAND_LINE: join(two.folder, "cmdline"), LINKS: links, RUNTIME: two.folder, WAIT: 1 };
  const members = async (commandLine: string) => {
    await writeFile(parameters.KERNEL_COMMAND_LINE, `${commandLine}\n`);
    const conf = initrdFiles(plan).find(({ path }) => path === "/etc/nixfleet/members.conf");
    ok(conf?.kind === "text");
    await writeFile(join(two.folder, "conf"), conf.text + scriptParameters(parameters));
    const script = join(import.meta.dirname, "../../src/payload/initrd/members.sh");
    return run("sh", [script, join(two.folder, "conf")], { env: { ASKING: two.folder } });
  };
  await members("quiet");
  await two.pull();
  await rejects(members("quiet nixfleet.degraded=data"), (error) => {
    ok(error instanceof CommandError);
    match(
      error.text,
      /the filesystem root is not whole: missing is the partition root of the disk second \(\/dev\/disk\/by-id\/two\)\. .*nixfleet\.degraded=root/,
    );
    return true;
  });
  match(await readFile(join(two.folder, "cause"), "utf8"), /^the filesystem root is not whole/);
  ok(!existsSync(join(two.folder, "degraded")));
  await members("quiet nixfleet.degraded=data,root");
  match(await readFile(join(two.folder, "degraded/root"), "utf8"), /^the partition root of the disk second/);
  // On a slow machine the first of them may be seen late: the time counts from then on.
  for (const path of [join(links, "root"), join(two.folder, "degraded")]) await rm(path, { recursive: true });
  const late = members("quiet nixfleet.degraded=root");
  await sleep(2500);
  await symlink(`${main.device}p2`, join(links, "root"));
  await late;
  ok(existsSync(join(two.folder, "degraded/root")));
  await rejects(run("mount", ["-o", "subvol=@persist", `${main.device}p2`, links]));
});

test("a missing disk of an array is named; the array runs without it only where somebody has told so", async () => {
  await using folder = await temporaryFolder();
  const file = (name: string) => join(folder.path, name);
  const disk = (device: string) => ({
    ...{ type: "disk", device },
    content: { type: "gpt", partitions: { m: { size: "100%", content: { type: "mdraid", name: "m" } } } },
  });
  const array = { level: 1, content: { type: "filesystem", format: "ext4", mountpoint: "/" } };
  const host = planOfDevices({ disk: { a: disk("/dev/sda"), b: disk("/dev/sdb") }, mdadm: { m: array } });
  const conf = initrdFiles(host).find(({ path }) => path === "/etc/nixfleet/members.conf");
  ok(conf?.kind === "text");
  const parameters = { KERNEL_COMMAND_LINE: file("cmdline"), LINKS: folder.path, RUNTIME: folder.path, WAIT: 1 };
  await writeFile(file("conf"), conf.text + scriptParameters(parameters));
  await mkdir(file("block/md127/md/dev-sdb1"), { recursive: true });
  await writeFile(file("block/md127/md/dev-sdb1/slot"), "1\n");
  await writeFile(file("map"), "md126 1.2 uuid /dev/md/mm\nmd127 1.2 uuid /dev/md/m\n");
  await mkdir(file("bin"));
  const state = file("block/md127/md/array_state");
  await writeFile(file("bin/mdadm"), `#!/bin/sh\n[ "$*" = "--run /dev/md127" ] && echo active >${state}\n`, {
    mode: 0o755,
  });
  const members = async (commandLine: string) => {
    await writeFile(parameters.KERNEL_COMMAND_LINE, `${commandLine}\n`);
    const script = join(import.meta.dirname, "../../src/payload/initrd/members.sh");
    const { PATH: path = "" } = process.env;
    const env = { PATH: `${file("bin")}:${path}`, ASKING: folder.path, BLOCK: file("block"), MD_MAP: file("map") };
    return run("sh", [script, file("conf")], { env });
  };
  await writeFile(state, "inactive\n");
  await rejects(members("quiet nixfleet.degraded=mm"), (error) => {
    ok(error instanceof CommandError);
    match(
      error.text,
      /the array m is not whole: missing is the partition m of the disk a \(\/dev\/sda\)\. .*nixfleet\.degraded=m /,
    );
    return true;
  });
  equal(await readFile(state, "utf8"), "inactive\n");
  await members("quiet nixfleet.degraded=m");
  equal(await readFile(state, "utf8"), "active\n");
  await members("quiet");
});

test("a root on two disks is wiped where one of them is missing, and no sooner than that is allowed", async () => {
  await using two = await twoDisks();
  const [main] = two.disks;
  ok(main !== undefined);
  await formatDisks(two.disks);
  await two.pull();
  await using top = await mountFolder(two.folder);
  const mountpoint = join(two.folder, "mountpoint");
  await mkdir(mountpoint);
  const on: Filesystem = {
    ...{ device: `${main.device}p2`, top: top.path, mountpoint, scratch: two.folder },
    [Symbol.asyncDispose]: async () => {},
  };
  match(wipe(on, { CLOSURE_ROOT: "" }).stderr, /THE ROOT IS NOT WIPED: mountFilesystem: cannot mount \S+:/);
  const allowed = /MOUNT_OPTIONS='(.*)'/.exec(textOf("/etc/nixfleet/wipe.conf"))?.[1] ?? "";
  equal(wipe(on, { CLOSURE_ROOT: "", MOUNT_OPTIONS: allowed }).report.outcome, "wiped");
  await using _ = await mounted(on.device, top.path, ["subvolid=5", "degraded"]);
  match(await run("ls", [join(top.path, "old_roots")]), /^20261123T/);
});

test("another disk takes the place of a missing one, as docs/disks.md says", async () => {
  await using two = await twoDisks();
  const [main] = two.disks;
  ok(main !== undefined);
  await formatDisks(two.disks);
  await two.pull();
  await using top = await mountFolder(two.folder);
  const image = join(two.folder, "another.img");
  await writeFile(image, "");
  await truncate(image, GIB);
  await using another = await loopDevice(image);
  const script =
    'sfdisk --dump "$1" | grep -v ^label-id | sed "s/, uuid=[^,]*//" | sfdisk --quiet "$2" && partx --update "$2"';
  await run("sh", ["-c", script, "sh", main.device, another.device]);
  await using _ = await mounted(`${main.device}p2`, top.path, ["subvolid=5", "degraded"]);
  await writeFile(join(top.path, "@persist/meanwhile"), "yes");
  await run("btrfs", ["replace", "start", "-B", "2", `${another.device}p2`, top.path]);
  const convert = ["-dconvert=raid1,soft", "-mconvert=raid1,soft"];
  await run("btrfs", ["balance", "start", ...convert, top.path]);
  const shown = await run("btrfs", ["filesystem", "show", top.path]);
  match(shown, new RegExp(`devid +2 .* path ${another.device}p2$`, "m"));
  ok(!/missing/i.test(shown), shown);
  ok(!/single/.test((await run("btrfs", ["filesystem", "df", top.path])).replace(/GlobalReserve.*/, "")));
});

test("a disk that was away and is back is brought up to date by a scrub, as docs/disks.md says", async () => {
  await using two = await twoDisks();
  const [main] = two.disks;
  ok(main !== undefined);
  await formatDisks(two.disks);
  await two.pull();
  await using top = await mountFolder(two.folder);
  {
    await using _ = await mounted(`${main.device}p2`, top.path, ["subvolid=5", "degraded"]);
    await run("dd", [
      "if=/dev/urandom",
      `of=${join(top.path, "@persist/meanwhile")}`,
      "bs=1M",
      "count=20",
      "status=none",
    ]);
  }
  await released(main.device);
  await using back = await loopDevice(join(two.folder, "second.img"));
  await run("partx", ["--update", back.device]);
  await run("btrfs", ["device", "scan", `${back.device}p2`]);
  await using _ = await mounted(`${main.device}p2`, top.path, ["subvolid=5", `device=${back.device}p2`]);
  match(await run("btrfs", ["scrub", "start", "-B", top.path]), /Error summary/);
  await run("btrfs", ["balance", "start", "-dconvert=raid1,soft", "-mconvert=raid1,soft", top.path]);
  match(await run("btrfs", ["scrub", "start", "-B", top.path]), /Error summary: +no errors found/);
  ok(!/single/.test((await run("btrfs", ["filesystem", "df", top.path])).replace(/GlobalReserve.*/, "")));
});

test("the table in docs/disks.md says what ran here", () => table.check());

function textOf(path: string): string {
  const file = initrdFiles(plan).find((one) => one.path === path);
  ok(file?.kind === "text");
  return file.text;
}

/** Two empty disks of 1 GiB for the plan's two. */
async function twoDisks() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const disks: PlacedDisk[] = [];
  const loops: LoopDevice[] = [];
  stack.defer(async () => {
    for (const loop of loops) await loop[Symbol.asyncDispose]();
  });
  for (const layout of plan.disk.disks) {
    const image = join(folder, `${layout.name}.img`);
    await writeFile(image, "");
    await truncate(image, GIB);
    const loop = await loopDevice(image);
    loops.push(loop);
    disks.push({ layout, device: loop.device });
  }
  return {
    ...{ folder, disks },
    /** The second is gone, and the kernel has not seen it. */
    async pull() {
      const loop = loops.pop();
      ok(loop !== undefined);
      await released(loop.device);
      await run("btrfs", ["device", "scan", "--forget", `${loop.device}p2`]);
      await loop[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
