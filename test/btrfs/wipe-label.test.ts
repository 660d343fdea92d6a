/** Which filesystem it is that has the label. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { loopDevice, temporaryFolder } from "../../src/local/resources.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { type Filesystem, filesystem, leftovers, names, wipe } from "./wipe-filesystem.ts";

const FIRST = "20261123T000312.000Z";
/** Nobody else's, on a machine where other tests may be running. */
const LABEL = `label-${process.pid}`;

test("two filesystems with the label: neither is wiped, both are named; the boot goes on with the only root, or ends", async () => {
  await using one = await filesystem({ label: LABEL });
  const byLabel = { DEVICE: "", LABEL };
  assert.equal(wipe(one, byLabel).exitCode, 0, "one alone is found by its label");
  assert.equal(disks(one).status, 0);
  await using other = await filesystem({ label: LABEL });
  const { exitCode, report } = wipe(one, byLabel);
  assert.equal(exitCode, 1);
  assert.match(report.reason ?? "", new RegExp(`two filesystems.*${one.device} `));
  assert.match(report.reason ?? "", new RegExp(other.device));
  assert.deepEqual(names(one, "old_roots"), [FIRST]);
  assert.deepEqual(names(other), ["@nix", "@persist", "@root"]);
  const refused = disks(one);
  assert.equal(refused.status, 1);
  for (const device of [one.device, other.device]) assert.ok(refused.stderr.includes(device), refused.stderr);
  assert.match(refused.stderr, /Unplug the wrong one.*add nixfleet\.disks=.* in the boot menu/);
  assert.equal(refused.link, "before");
  await run("btrfs", ["subvolume", "delete", join(other.top, "@root")]);
  assert.equal(wipe(one, byLabel).exitCode, 1);
  const settled = disks(one);
  assert.equal(settled.status, 0, settled.stderr);
  assert.equal(settled.link, one.device, "the boot goes on with the one that has a root");
  assert.deepEqual(leftovers(one), []);
});

test("where the boot entry names the UUID, another with the label is not in the way, whatever it holds", async () => {
  await using one = await filesystem({ label: LABEL });
  await using other = await filesystem({ label: LABEL });
  const uuid = await run("blkid", ["-c", "/dev/null", "-s", "UUID", "-o", "value", one.device]);
  const commandLine = `quiet nixfleet.disks=ESP/12AB-34CD,${LABEL}/${uuid.trim()} nixfleet.closure=/nix/store/abc-nixfleet-test`;
  const KERNEL_COMMAND_LINE = join(one.scratch, "cmdline");
  writeFileSync(KERNEL_COMMAND_LINE, `${commandLine}\n`);
  const known = disks(one, commandLine);
  assert.equal(known.status, 0, known.stderr);
  assert.equal(known.link, "before", "udev's rule has made it");
  const { exitCode, stderr } = wipe(other, { DEVICE: "", LABEL, KERNEL_COMMAND_LINE, NIX_SUBVOLUME: "@nix" });
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(names(one, "old_roots"), [FIRST]);
  assert.deepEqual(names(other), ["@nix", "@persist", "@root"]);
  // Of udev's links by label it gets none.
  const [, own = ""] = /nixfleet\.disks=(\S+)/.exec(commandLine) ?? [];
  const isStranger = (label: string, id: string) => run("sh", [OWN_DISK, own, label, id]);
  assert.equal(await isStranger(LABEL, uuid.trim()), "");
  assert.equal(await isStranger("ESP", "12AB-34CD"), "");
  assert.equal(await isStranger("photos", "12AB-34CD"), "");
  assert.equal(await isStranger(LABEL, "12AB-34CD"), "stranger\n");
  assert.equal(await isStranger("ESP", ""), "stranger\n");
});

test("a boot entry names the filesystems that are on the host's own disk", async () => {
  await using one = await filesystem({ label: LABEL });
  await using other = await filesystem({ label: LABEL });
  const uuid = (await run("blkid", ["-c", "/dev/null", "-s", "UUID", "-o", "value", one.device])).trim();
  const parameters = (nix: string, devices: string) =>
    run("sh", [
      "-euc",
      `. ${OWN_DISKS}; KERNEL_PARAMETERS=a NIX=$1 DISKS=$2 LABELS=$3; nameDisks; echo "$KERNEL_PARAMETERS"`,
      ...["sh", nix, devices, `absent\n${LABEL}`],
    ]);
  const named = `a nixfleet.disks=${LABEL}/${uuid}\n`;
  assert.equal(await parameters(one.top, ""), named, "the disk that its store is on");
  assert.equal(await parameters("/nowhere", one.device), named, "the disk that the builder names");
  assert.equal(await parameters("/nowhere", `${one.device}\n${other.device}`), "a\n", "two are none");
  assert.equal(await parameters("/nowhere", ""), "a\n", "two are mounted");
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
  assert.equal(disks(one).link, loop.device);
  await run("blockdev", ["--flushbufs", loop.device]);
  assert.equal(await content(), before);
});

const OWN_DISK = join(WIPE_SCRIPT, "../own-disk.sh");
const OWN_DISKS = join(WIPE_SCRIPT, "../../host/own-disks.sh");

/** What a boot does before it mounts the root, and where the link then leads by which it does. */
function disks({ scratch, mountpoint }: Filesystem, commandLine = "quiet") {
  const LINKS = join(scratch, "links");
  rmSync(LINKS, { recursive: true, force: true });
  mkdirSync(LINKS);
  symlinkSync("before", join(LINKS, LABEL));
  const KERNEL_COMMAND_LINE = join(scratch, "disks-cmdline");
  writeFileSync(KERNEL_COMMAND_LINE, `${commandLine}\n`);
  const conf = join(scratch, "disks.conf");
  const root = { ROOT_LABEL: LABEL, ROOT_SUBVOLUME: "@root" };
  writeFileSync(conf, scriptParameters({ LABELS: LABEL, ...root, KERNEL_COMMAND_LINE, LINKS, MOUNTPOINT: mountpoint }));
  const { status, stderr } = spawnSync("sh", [join(WIPE_SCRIPT, "../disks.sh"), conf], { encoding: "utf8" });
  return { status, stderr, link: readlinkSync(join(LINKS, LABEL)) };
}

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
