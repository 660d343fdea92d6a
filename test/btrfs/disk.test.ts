import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspectDevice } from "../../src/disk/device.ts";
import { devicesOfImage, makeImages } from "../../src/disk/image.ts";
import { applyDiskRequest, dryRun } from "../../src/disk/request.ts";
import { formatDisks, mountDisks, unmountDisks } from "../../src/disk/run.ts";
import { UserError } from "../../src/errors.ts";
import { GIB, MIB } from "../../src/layout/size.ts";
import { run } from "../../src/local/process.ts";
import { type LoopDevice, loopDevice, mounted, temporaryFolder } from "../../src/local/resources.ts";
import { encrypted, esp, layout, root, rootContent, subvolume } from "../unit/disk-layout.ts";
import { released } from "./released.ts";

test("a formatted device has the partitions, labels and subvolumes of its layout", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  deepEqual(await contentsOf(disk.device), {
    partitions: [
      { name: "ESP", type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", start: MIB, size: 128 * MIB },
      { name: "root", type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4", start: 129 * MIB, size: 2 * GIB - 130 * MIB },
    ],
    filesystems: ["vfat labelled BOOT", "btrfs labelled root"],
    subvolumes: ["@nix", "@persist", "@root", "@spare"],
  });
});

test("a disk is mounted once however often, and unmounted with what was written to it", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const under = join(disk.folder, "mnt");
  {
    await using _once = await mountDisks([{ layout, device: disk.device }], under);
    await using _twice = await mountDisks([{ layout, device: disk.device }], under);
    await writeFile(join(under, "persist/kept"), "kept");
    deepEqual(await mountsBelow(under), ["/@root ", "/@nix nix", "/@persist persist"]);
  }
  deepEqual(await mountsBelow(under), []);
  await unmountDisks([{ layout, device: disk.device }], under);
  await using _again = await mountDisks([{ layout, device: disk.device }], under);
  equal(await readFile(join(under, "persist/kept"), "utf8"), "kept");
});

test("when one of its mounts fails, none of them stays", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const under = join(disk.folder, "mnt");
  const subvolumes = [...rootContent.subvolumes, subvolume("@gone", "/zzz")];
  const wrong = { ...layout, partitions: [esp, { ...root, content: { ...rootContent, subvolumes } }] };
  await rejects(mountDisks([{ layout: wrong, device: disk.device }], under), /mount failed/);
  deepEqual(await mountsBelow(under), []);
});

test("a device that holds data is refused with what it holds, and is not touched", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const before = await firstMegabytes(disk.image);
  const other = { ...layout, partitions: [esp, { ...root, name: "other" }] };
  await released(disk.device);
  await refused(
    formatDisks([{ layout: other, device: disk.device }]),
    /holds data\n.*gpt[\s\S]*ESP \(128M\): vfat labelled BOOT[\s\S]*--wipe \/dev\/loop/,
  );
  await refused(
    formatDisks([{ layout: other, device: disk.device }], { wipe: ["/dev/null"] }),
    /--wipe names another device: \/dev\/null/,
  );
  ok(before.equals(await firstMegabytes(disk.image)));
});

test("what is formatted as declared is left as it is, also while it is mounted", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const before = await firstMegabytes(disk.image);
  const notes: string[] = [];
  await formatDisks([{ layout, device: disk.device }], { onNote: (line) => notes.push(line) });
  match(notes.join(), /already has this layout/);
  ok(before.equals(await firstMegabytes(disk.image)));
  await using _ = await mountDisks([{ layout, device: disk.device }], join(disk.folder, "mnt"));
  await formatDisks([{ layout, device: disk.device }]);
});

test("a format that was interrupted half-way does not pass for a whole one", async () => {
  await using disk = await emptyDisk();
  const stopped = new Error("stopped");
  const onCommand = ({ does }: { readonly does: string }) => {
    if (does.startsWith("label it")) throw stopped;
  };
  await rejects(formatDisks([{ layout, device: disk.device }], { onCommand }), stopped);
  await released(disk.device);
  await refused(formatDisks([{ layout, device: disk.device }]), /holds data/);
  await formatDisks([{ layout, device: disk.device }], { wipe: [disk.device] });
});

test("a layout whose passphrase is not there is refused before anything is written", async () => {
  await using disk = await emptyDisk();
  // A kernel without a device mapper could not open it anyway.
  const reason = /there is no file \/tmp\/it's secret|kernel has no device mapper/;
  await refused(formatDisks([{ layout: encrypted, device: disk.device }]), reason);
  deepEqual((await inspectDevice(disk.device)).contents, []);
});

test("a filesystem without a partition table counts as data", async () => {
  await using disk = await emptyDisk();
  await run("mkfs.ext4", ["-q", "-L", "photos", disk.device]);
  await refused(formatDisks([{ layout, device: disk.device }]), /holds data\n.*ext4 labelled photos/);
});

test("the named device is wiped, by any of its names, and nothing of the old shows through", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const name = join(disk.folder, "by-id");
  await symlink(disk.device, name);
  await released(disk.device);
  await formatDisks([{ layout, device: name }], { wipe: [disk.device] });
  await released(disk.device);
  await formatDisks([{ layout, device: disk.device }], { wipe: [name] });
  deepEqual((await contentsOf(disk.device)).subvolumes, ["@nix", "@persist", "@root", "@spare"]);
});

test("a device in use is refused even when it is named to be wiped", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const under = join(disk.folder, "mnt");
  await using _ = await mountDisks([{ layout, device: disk.device }], under);
  await refused(
    formatDisks([{ layout, device: disk.device }], { wipe: [disk.device] }),
    /is in use\n.*p2 is mounted on .*mnt/,
  );
  await refused(
    formatDisks([{ layout, device: `${disk.device}p2` }], { wipe: [`${disk.device}p2`] }),
    /is a partition/,
  );
});

test("a device that only another mount namespace has mounted is refused", async () => {
  await using disk = await emptyDisk();
  await formatDisks([{ layout, device: disk.device }]);
  const hidden = new AbortController();
  let tell: () => void = () => {};
  const isMounted = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const script = 'mount -o subvol=@root "$1" /mnt && echo mounted && exec sleep 60';
  const holder = run("unshare", ["--mount", "sh", "-c", script, "sh", `${disk.device}p2`], {
    signal: hidden.signal,
    onLine: (line) => line === "mounted" && tell(),
  }).catch(() => {});
  try {
    await isMounted;
    await refused(
      formatDisks([{ layout, device: disk.device }], { wipe: [disk.device] }),
      /is in use\n.*perhaps mounted in a container/,
    );
  } finally {
    hidden.abort();
    await holder;
  }
});

test("what is no usable device is refused with those that there are", async () => {
  await using disk = await emptyDisk();
  await refused(
    formatDisks([{ layout, device: "/dev/nothing-here" }]),
    /there is no device \/dev\/nothing-here\n[\s\S]*\/dev\/loop/,
  );
  await refused(formatDisks([{ layout, device: disk.image }]), /is not a block device\n.*--image/);
  await refused(formatDisks([{ layout, device: "/dev/null" }]), /is not a block device/);
});

test("an image is formatted, filled and unmounted, and only then has its name", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "images/disk.img");
  await makeImages([{ layout, file, size: 2 * GIB }], async (mountedAt) => {
    ok(!existsSync(file));
    await writeFile(join(mountedAt, "nix/filled"), "yes");
  });
  ok(!existsSync(`${file}.partial`));
  deepEqual(await devicesOfImage(file), []);
  await using loop = await loopDevice(file);
  await using _ = await mountDisks([{ layout, device: loop.device }], join(folder.path, "mnt"));
  equal(await readFile(join(folder.path, "mnt/nix/filled"), "utf8"), "yes");
});

test("an image that cannot be filled leaves nothing, and what it would have replaced stays", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "disk.img");
  await writeFile(file, "precious");
  await refused(makeImages([{ layout, file, size: GIB }]), /disk.img exists\n.*--wipe/);
  const fails = () => Promise.reject(new UserError("no packages"));
  await refused(makeImages([{ layout, file, size: GIB }], fails, { wipe: [file] }), /no packages/);
  equal(await readFile(file, "utf8"), "precious");
  ok(!existsSync(`${file}.partial`));
  await makeImages([{ layout, file, size: GIB }], undefined, { wipe: [join(folder.path, "./disk.img")] });
  equal((await stat(file)).size, GIB);
});

test("an image smaller than its layout is refused", async () => {
  await using folder = await temporaryFolder();
  await refused(
    makeImages([{ layout, file: join(folder.path, "disk.img"), size: 200 * MIB }]),
    /200M is too small[\s\S]*386M/,
  );
});

test("an image on a full disk is removed, and the error says that the disk is full", async () => {
  await using folder = await temporaryFolder();
  const small = join(folder.path, "small");
  await mkdir(small);
  await run("mount", ["-t", "tmpfs", "-o", "size=48M", "tmpfs", small]);
  await using _ = { [Symbol.asyncDispose]: async () => void (await run("umount", [small])) };
  const file = join(small, "disk.img");
  const fill = (mountedAt: string) =>
    run("dd", ["if=/dev/urandom", `of=${join(mountedAt, "nix/data")}`, "bs=1M", "count=100", "status=none"]);
  await refused(
    makeImages([{ layout, file, size: GIB }], async (at) => void (await fill(at))),
    /no space left for .*disk.img/,
  );
  deepEqual(await run("ls", ["-A", small]), "");
  deepEqual(await devicesOfImage(`${file}.partial`), []);
});

test("the dry run's script, run by sh, makes the same disk as the real run", async () => {
  await using real = await emptyDisk();
  await using shown = await emptyDisk();
  await formatDisks([{ layout, device: real.device }]);
  const request = { modes: ["format", "mount"], under: join(shown.folder, "mnt") } as const;
  const target = { kind: "devices", disks: [{ layout, device: shown.device }] } as const;
  const script = await dryRun({ ...request, target });
  deepEqual((await inspectDevice(shown.device)).contents, []);
  await run("sh", [], { input: script });
  deepEqual(await mountsBelow(request.under), ["/@root ", "/@nix nix", "/@persist persist"]);
  await unmountDisks([{ layout, device: shown.device }], request.under);
  deepEqual(await contentsOf(shown.device), await contentsOf(real.device));
  // What the real run leaves as it is, or refuses, its dry run does too.
  const again = await dryRun({ ...request, target });
  equal(/sfdisk|mkfs/.test(again), false, again);
  const disks = [{ layout: { ...layout, partitions: [esp] }, device: shown.device }];
  await rejects(dryRun({ ...request, target: { kind: "devices", disks } }), /holds data/);
});

test("the dry run's script for an image makes, mounts and unmounts it as the real run does", async () => {
  await using folder = await temporaryFolder();
  const under = join(folder.path, "mnt");
  const target = (name: string) => ({ kind: "image", layout, file: join(folder.path, name), size: GIB }) as const;
  const contents: unknown[] = [];
  for (const name of ["it's real", "it's shown"]) {
    const request = { under, target: target(name) };
    const act = async (modes: "format,mount" | "unmount") => {
      const asked = {
        ...request,
        modes: modes === "unmount" ? (["unmount"] as const) : (["format", "mount"] as const),
      };
      if (name === "it's real") await applyDiskRequest(asked);
      else await run("sh", [], { input: await dryRun(asked) });
    };
    await act("format,mount");
    deepEqual(await mountsBelow(under), ["/@root ", "/@nix nix", "/@persist persist"]);
    await act("unmount");
    deepEqual(await mountsBelow(under), []);
    deepEqual(await devicesOfImage(request.target.file), []);
    await using loop = await loopDevice(request.target.file);
    contents.push(await contentsOf(loop.device));
  }
  deepEqual(contents[0], contents[1]);
});

interface Disk extends LoopDevice {
  readonly image: string;
  readonly folder: string;
}

async function emptyDisk(): Promise<Disk> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder()).path;
  const image = join(folder, "image");
  await writeFile(image, "");
  await truncate(image, 2 * GIB);
  const { device } = stack.use(await loopDevice(image));
  return { image, folder, device, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Read back with the tools themselves. */
async function contentsOf(device: string) {
  interface Partition {
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly name: string;
  }
  const { partitiontable } = JSON.parse(await run("sfdisk", ["--json", device])) as {
    readonly partitiontable: { readonly sectorsize: number; readonly partitions: readonly Partition[] };
  };
  const sector = partitiontable.sectorsize;
  await run("partx", ["--update", device]);
  await using folder = await temporaryFolder();
  await using _ = await mounted(`${device}p2`, folder.path, ["subvolid=5"]);
  const list = await run("btrfs", ["subvolume", "list", folder.path]);
  return {
    partitions: partitiontable.partitions.map(({ name, type, start, size }) => ({
      name,
      type,
      start: start * sector,
      size: size * sector,
    })),
    filesystems: await filesystemsOf(device),
    subvolumes: list
      .trim()
      .split("\n")
      .map((line) => line.replace(/.* path /, ""))
      .sort(),
  };
}

async function filesystemsOf(device: string): Promise<string[]> {
  const lines: string[] = [];
  for (const partition of [`${device}p1`, `${device}p2`]) {
    const tag = async (name: string) => (await run("blkid", ["-p", "-o", "value", "-s", name, partition])).trim();
    lines.push(`${await tag("TYPE")} labelled ${await tag("LABEL")}`);
  }
  return lines;
}

async function mountsBelow(folder: string): Promise<string[]> {
  const stdout = await run("findmnt", ["--noheadings", "--list", "--nofsroot", "--output", "TARGET,FSROOT"]);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([target = ""]) => target.startsWith(folder))
    .map(([target = "", fsRoot]) => `${fsRoot} ${target.slice(folder.length + 1)}`);
}

async function firstMegabytes(file: string): Promise<Buffer> {
  await using handle = await open(file);
  const { buffer } = await handle.read({ buffer: Buffer.alloc(4 * MIB) });
  return buffer;
}

async function refused(action: Promise<unknown>, says: RegExp): Promise<void> {
  await rejects(action, (error: unknown) => {
    ok(error instanceof UserError, String(error));
    match(error.text, says);
    return true;
  });
}
