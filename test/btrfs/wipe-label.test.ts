/** Which filesystem it is that has the label. */
import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, readlinkSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/machine/process.ts";
import { loopDevice, temporaryFolder } from "../../src/machine/resources.ts";
import { filesystem, leftovers, names, wipe } from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";
/** Nobody else's, on a machine where other tests may be running. */
const LABEL = `label-${process.pid}`;

test("two filesystems with the label: neither is touched, both are named", async () => {
  await using one = await filesystem({ label: LABEL });
  const byLabel = { DEVICE: "", LABEL };
  assert.equal(wipe(one, byLabel).exitCode, 0, "one alone is found by its label");
  await using other = await filesystem({ label: LABEL });
  const LABEL_LINK = join(one.scratch, "link");
  symlinkSync("before", LABEL_LINK);
  const { exitCode, report } = wipe(one, { ...byLabel, LABEL_LINK });
  assert.equal(exitCode, 1);
  assert.match(report.reason ?? "", new RegExp(`two filesystems.*${one.device} `));
  assert.match(report.reason ?? "", new RegExp(other.device));
  assert.deepEqual(names(one, "old_roots"), [FIRST]);
  assert.deepEqual(names(other), ["@nix", "@persist", "@root"]);
  assert.equal(readlinkSync(LABEL_LINK), "before");
  await run("btrfs", ["subvolume", "delete", join(other.top, "@root")]);
  assert.equal(wipe(one, { ...byLabel, LABEL_LINK }).exitCode, 1);
  assert.equal(readlinkSync(LABEL_LINK), one.device, "the boot goes on with the one that has a root");
  assert.deepEqual(leftovers(one), []);
});

test("looking which of two has a root writes to neither, not even what a crash left to be replayed", async () => {
  await using folder = await temporaryFolder();
  const crashed = join(folder.path, "crashed");
  {
    await using fs = await filesystem({ label: LABEL });
    const file = openSync(join(fs.top, "@root/written"), "w");
    writeSync(file, "before the crash");
    fsyncSync(file);
    closeSync(file);
    await run("cp", ["--sparse=always", join(fs.scratch, "disk/image"), crashed]);
  }
  await using one = await filesystem({ label: LABEL });
  await run("btrfs", ["subvolume", "delete", join(one.top, "@root")]);
  await using loop = await loopDevice(crashed);
  const content = async () => (await run("sha256sum", [crashed])).split(" ", 1)[0];
  const before = await content();
  const LABEL_LINK = join(one.scratch, "link");
  assert.equal(wipe(one, { DEVICE: "", LABEL, LABEL_LINK }).exitCode, 1);
  assert.equal(readlinkSync(LABEL_LINK), loop.device);
  await run("blockdev", ["--flushbufs", loop.device]);
  assert.equal(await content(), before);
});

test("an encrypted device with the label holds the filesystem that is meant; several devices of one are one", async () => {
  await using folder = await temporaryFolder();
  const [encrypted, second] = [join(folder.path, "encrypted"), join(folder.path, "second")];
  // The header of cryptsetup's LUKS2: magic, version, its size, a sequence number, the label; the UUID is at 168.
  const header = Buffer.alloc(512);
  header.write("LUKS\xba\xbe\x00\x02", 0, "latin1");
  header.writeBigUInt64BE(16384n, 8);
  header.write(LABEL, 24);
  header.write("7bae27eb-38e5-4f9a-9883-5e166350ad85", 168);
  writeFileSync(encrypted, header);
  await run("truncate", ["--size", "16M", encrypted]);
  await run("truncate", ["--size", "256M", second]);
  await using luks = await loopDevice(encrypted);
  await using loop = await loopDevice(second);
  await using fs = await filesystem({ label: LABEL });
  await run("btrfs", ["device", "add", loop.device, fs.top]);
  const devices = await run("blkid", ["-c", "/dev/null", "-t", `LABEL=${LABEL}`, "-o", "device"]);
  assert.deepEqual(devices.trim().split("\n").sort(), [luks.device, loop.device, fs.device].sort());
  const { exitCode, stderr } = wipe(fs, { DEVICE: "", LABEL });
  assert.equal(exitCode, 0, stderr);
});
