/** Every template that needs no device mapper, formatted, mounted and unmounted: test/vm/disks.test.ts has the encrypted one. */
import assert from "node:assert/strict";
import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { DiskMode } from "../../src/disk/commands.ts";
import { wantedMounts } from "../../src/disk/mounts.ts";
import { applyDiskRequest, dryRun } from "../../src/disk/request.ts";
import { diskSurroundings } from "../../src/disk/run.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { GIB } from "../../src/layout/size.ts";
import { run } from "../../src/local/process.ts";
import { loopDevice, temporaryFolder } from "../../src/local/resources.ts";
import { DiskTable } from "../disk-table.ts";
import { released } from "./released.ts";

const table = new DiskTable(import.meta.filename);
const bios = { disk: "/dev/vda", swapSize: "64M" };
const uefi = { ...bios, espSize: "128M" };
const impermanence = { nixfleet: { impermanence: { enable: true } } };

const layouts = {
  btrfs: [diskoTemplates.btrfs(uefi)],
  btrfsBios: [diskoTemplates.btrfsBios(bios)],
  btrfsImpermanence: [diskoTemplates.btrfsImpermanence(uefi), impermanence],
  btrfsImpermanenceBios: [diskoTemplates.btrfsImpermanenceBios(bios), impermanence],
  ext4: [diskoTemplates.ext4(uefi)],
} as const;

for (const [template, modules] of Object.entries(layouts)) {
  test(`${template} is formatted, mounted and unmounted, each as often as one likes`, async () => {
    await using folder = await temporaryFolder();
    const image = join(folder.path, "image");
    await writeFile(image, "");
    await truncate(image, 2 * GIB);
    await using loop = await loopDevice(image);
    const host = mkHost({ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules });
    const disks = host.plan().disk.disks.map((layout) => ({ layout, device: loop.device }));
    const under = join(folder.path, "mnt");
    const notes: string[] = [];
    const request = (...modes: readonly DiskMode[]) => ({
      ...({ target: { kind: "devices", disks }, modes, under } as const),
      onNote: (line: string) => notes.push(line),
    });
    const nixfleet = (...modes: readonly DiskMode[]) => applyDiskRequest(request(...modes));
    const mounted = async () => {
      const found = await run("findmnt", ["--raw", "--noheadings", "--nofsroot", "--output", "SOURCE,FSROOT,TARGET"]);
      return found.split("\n").filter((line) => line.includes(under));
    };
    const signatures = () => run("wipefs", ["--no-act", "--", loop.device, ...parts()]);
    const parts = () =>
      disks.flatMap(({ layout }) => layout.partitions.map((_, index) => `${loop.device}p${index + 1}`));

    assert.match(await dryRun(request("format", "mount")), /^set -eu\n[\s\S]*sfdisk/);
    assert.equal(await run("wipefs", ["--no-act", "--", loop.device]), "", "a dry run changes nothing");
    await nixfleet("format");
    const formatted = await signatures();
    await nixfleet("format", "mount");
    assert.match(notes.join("\n"), /already has this layout/);
    // As far as this kernel can mount it.
    const { unsupported } = await diskSurroundings(disks, under);
    const wanted = wantedMounts(disks, under)
      .filter(({ fsType }) => !unsupported.includes(fsType))
      .map(({ source, fsRoot, target }) => `${source} ${fsRoot} ${target}`);
    assert.ok(wanted.length > 0);
    assert.deepEqual(await mounted(), wanted);
    await nixfleet("mount");
    assert.deepEqual(await mounted(), wanted);
    await nixfleet("unmount");
    assert.deepEqual(await mounted(), []);
    await nixfleet("unmount");
    await released(loop.device);
    assert.equal(await signatures(), formatted);
    for (const mode of ["format", "mount", "unmount"]) table.ran(template, mode);
  });
}

test("the table in docs/disks.md says what ran here", () => table.check());
