/** GRUB on a disk, as the one installer puts it there. */
import assert from "node:assert/strict";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CommandError, run } from "../../src/local/process.ts";
import { loopDevice, temporaryFolder } from "../../src/local/resources.ts";
import { hostScript } from "../../src/payload/host/generations.ts";

const SECTOR = 512;
const ENVIRONMENT = "# GRUB Environment Block\n";

test("GRUB's first sector leads to its image, and that to its own rest, wherever the partition is", async () => {
  await using disk = await biosDisk(4096, "1M");
  await disk.embed();
  const written = await readFile(disk.image);
  const core = (4096 + 1024) * SECTOR;
  assert.deepEqual([...written.subarray(0, 0x5c)], Array(0x5c).fill(1));
  assert.equal(written.readBigUInt64LE(0x5c), BigInt(core / SECTOR));
  assert.equal(written.readUInt16LE(0x66), 0x9090);
  assert.equal(written[439], 1);
  assert.equal(written.readUInt16LE(510), 0xaa55, "the table of partitions is as it was");
  assert.equal(written.readBigUInt64LE(core + 0x1f4), BigInt(core / SECTOR + 1));
  assert.equal(written.readUInt16LE(core + 0x1fc), 2);
  assert.equal(written.readUInt16LE(core + 0x1fe), 0x820);
  assert.deepEqual([written[core + 1299], written[core + 1300], written[core + 1535]], [2, 0, 0]);
  assert.equal(written.subarray(4096 * SECTOR).toString("latin1", 0, ENVIRONMENT.length), ENVIRONMENT);
});

test("what GRUB remembers of a host's generations stays, and of a host that was there before nothing does", async () => {
  await using disk = await biosDisk(2048, "1M");
  await disk.embed();
  await disk.remembers("proved=1 2");
  await disk.embed();
  assert.doesNotMatch(await disk.environment(), /proved/);
  await disk.remembers("proved=1 2");
  await disk.hasGeneration();
  await disk.embed();
  assert.match(await disk.environment(), /proved=1 2/);
});

test("a partition in which GRUB does not fit is refused, and the disk boots what it booted", async () => {
  await using disk = await biosDisk(2048, "512K");
  const before = await readFile(disk.image);
  await assert.rejects(disk.embed(), (error) => {
    assert.match(
      error instanceof CommandError ? error.text : "",
      /partition 1 of \S+ is too small for GRUB: give it 1M/,
    );
    return true;
  });
  assert.ok(before.equals(await readFile(disk.image)));
});

async function biosDisk(start: number, size: string) {
  await using resources = new AsyncDisposableStack();
  const { path } = resources.use(await temporaryFolder());
  const image = join(path, "disk.img");
  await writeFile(image, "");
  await truncate(image, 8 * 1024 ** 2);
  await run("sfdisk", ["--quiet", image], { input: `label: gpt\nstart=${start}, size=${size}, type=${BIOS_BOOT}\n` });
  const { device } = resources.use(await loopDevice(image));
  await run("partx", ["--update", "--", device]); // some kernels do not read a GPT
  const lib = join(path, "lib");
  await mkdir(join(lib, "nixfleet"), { recursive: true });
  await mkdir(join(lib, "grub/i386-pc"), { recursive: true });
  await writeFile(join(lib, "nixfleet/grub.img"), Buffer.alloc(1300, 2));
  await writeFile(join(lib, "nixfleet/grub-environment.img"), ENVIRONMENT.padEnd(1024, "#"));
  await writeFile(join(lib, "grub/i386-pc/boot.img"), Buffer.alloc(SECTOR, 1));
  await mkdir(join(path, "nix/nixfleet/generations"), { recursive: true });
  const conf = join(path, "conf");
  await writeFile(conf, `NIX='${path}/nix' DISK='${device}' GRUB='${device}p1' GRUB_NUMBER='1' ESPS=''\n`);
  const here = join(hostScript("place-host"), "..");
  const program = '. "$here/generation-store.sh"; . "$here/embed-grub.sh"; embedGrub "$lib"';
  const owned = resources.move();
  return {
    image,
    embed: () => run("sh", ["-euc", `here=$3 lib=$4; ${program}`, "sh", "--conf", conf, here, lib]),
    remembers: (line: string) => run("dd", [`of=${device}p1`, "conv=notrunc,fsync"], { input: ENVIRONMENT + line }),
    environment: () => run("head", ["--bytes=1024", `${device}p1`]),
    hasGeneration: () => writeFile(join(path, "nix/nixfleet/generations/1"), "closure\n"),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** The type of its partition. */
const BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649";
