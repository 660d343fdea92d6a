import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { type DiskSurroundings, diskCommands, parseModes } from "../../src/disk/commands.ts";
import { wantedMounts } from "../../src/disk/mounts.ts";
import { diskScript, onLoopDevice } from "../../src/disk/script.ts";
import type { Mount } from "../../src/layout/content-type.ts";
import { partitionCommands, partitionDevice, SCRIPT_DEVICE } from "../../src/layout/gpt.ts";
import { encrypted, layout } from "./disk-layout.ts";

const bare: DiskSurroundings = {
  ...{ under: "/mnt", scratch: "/run/scratch", udev: false, unsupported: [], mounts: [], mappings: [], tpm: true },
};
const lines = (modes: Parameters<typeof diskCommands>[1], surroundings: DiskSurroundings = bare) =>
  diskCommands([{ layout, device: "/dev/vda" }], modes, surroundings).map(({ program, args }) =>
    [program, ...args].join(" "),
  );

test("a partition is named as the kernel or udev names it", () => {
  const names = ["/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/loop0", "/dev/mmcblk0", "/dev/disk/by-id/ata-X1"];
  deepEqual(
    names.map((name) => partitionDevice(name, 2)),
    ["/dev/sda2", "/dev/vda2", "/dev/nvme0n1p2", "/dev/loop0p2", "/dev/mmcblk0p2", "/dev/disk/by-id/ata-X1-part2"],
  );
});

test("modes are run in the order unmount, format, mount however they are written", () => {
  deepEqual(parseModes("mount, format"), ["format", "mount"]);
  deepEqual(parseModes("mount,unmount,format"), ["unmount", "format", "mount"]);
  for (const bad of ["", "formt", "format,", "Format"]) throws(() => parseModes(bad), /is not a disk mode/);
});

test("the partition table gives each partition its name, type and size, and the last one the rest", () => {
  deepEqual(
    partitionCommands(layout, "/dev/vda").map(({ args, input }) => [args.join(" "), input?.split("\n")]),
    [
      [
        "--quiet --lock --wipe=always --wipe-partitions=always -- /dev/vda",
        [
          "label: gpt",
          'name="ESP", type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, size=128MiB',
          'name="root", type=0FC63DAF-8483-4772-8E79-3D69D8477DE4',
          "",
        ],
      ],
    ],
  );
});

test("the root is mounted first, and a parent before what is mounted in it", () => {
  deepEqual(
    wantedMounts([{ layout, device: "/dev/vda" }], "/mnt").map(
      ({ target, source, fsRoot }) => `${source} ${fsRoot} ${target}`,
    ),
    ["/dev/vda2 /@root /mnt", "/dev/vda1 / /mnt/boot", "/dev/vda2 /@nix /mnt/nix", "/dev/vda2 /@persist /mnt/persist"],
  );
});

const mountedAll: readonly Mount[] = wantedMounts([{ layout, device: "/dev/vda" }], "/mnt");

test("mounting what is mounted already, or unmounting what is not, is nothing to do", () => {
  deepEqual(lines(["mount"], { ...bare, mounts: mountedAll }), []);
  deepEqual(lines(["unmount"]), []);
});

test("only what is missing is mounted", () => {
  deepEqual(lines(["mount"], { ...bare, mounts: mountedAll.slice(0, 3) }), [
    "partx --update -- /dev/vda",
    "mkdir --parents -- /mnt/persist",
    "mount -t btrfs -o subvol=@persist -- /dev/vda2 /mnt/persist",
  ]);
});

test("unmounting goes backwards, and leaves alone what belongs to another device", () => {
  const foreign = { target: "/mnt", source: "/dev/vda22", fsRoot: "/" };
  deepEqual(
    lines(["unmount"], { ...bare, mounts: [foreign, ...mountedAll] }),
    ["/mnt/persist", "/mnt/nix", "/mnt/boot", "/mnt"].map((target) => `umount -- ${target}`),
  );
});

test("a mount point that another filesystem has is refused before anything is mounted", () => {
  const mounts = [{ target: "/mnt/nix", source: "/dev/sdb1", fsRoot: "/" }];
  throws(() => lines(["mount"], { ...bare, mounts }), /\/mnt\/nix is already the mount point of \/dev\/sdb1/);
});

test("what is unmounted in the same run is mounted again", () => {
  const again = lines(["unmount", "mount"], { ...bare, mounts: mountedAll });
  equal(again.filter((line) => line.startsWith("mount ")).length, 4);
});

test("a filesystem that the kernel does not know is formatted but not mounted", () => {
  const commands = lines(["format", "mount"], { ...bare, unsupported: ["vfat"] });
  match(commands.join("\n"), /mkfs.vfat/);
  equal(commands.filter((line) => line.startsWith("mount -t vfat")).length, 0);
});

test("where udev runs, it is waited for after the partitions are announced and after they are formatted", () => {
  const commands = lines(["format"], { ...bare, udev: true });
  equal(commands[commands.indexOf("partx --update -- /dev/vda") + 1], "udevadm settle --timeout=30");
  equal(commands.at(-1), "udevadm settle --timeout=30");
});

test("the dry run's script gives stdin as a here-document and quotes what the shell would change", () => {
  const script = diskScript([
    { does: "write", program: "sfdisk", args: ["--", "/dev/it's here"], input: 'name="$x"\n' },
  ]);
  equal(script, `set -eu\n# write\nsfdisk -- '/dev/it'\\''s here' <<'END'\nname="$x"\nEND\n`);
});

test("the dry run of an image uses the loop device that it attached", () => {
  const commands = diskCommands([{ layout, device: SCRIPT_DEVICE }], ["format"], bare);
  const script = diskScript(onLoopDevice("/srv/my disk", commands));
  match(script, /^device=\$\(losetup --find --show --partscan -- '\/srv\/my disk'\)$/m);
  match(script, /^partition="\$device"p$/m);
  match(script, /^mkfs.btrfs .* "\$\{partition\}2"$/m);
  match(script, /^losetup --detach "\$device"$/m);
});

const luksMapping = { kind: "luks", name: "crypted", sources: ["/dev/vda2"] } as const;
const cryptoLines = (modes: Parameters<typeof diskCommands>[1], surroundings: DiskSurroundings = bare) =>
  diskCommands([{ layout: encrypted, device: "/dev/vda" }], modes, surroundings)
    .filter(({ program }) => /^(crypt|systemd|mount|umount|mkfs.btrfs)/.test(program))
    .map(({ program, args }) => [program, ...args].join(" "));

test("an encrypted partition is opened once, before what is in it is made or mounted, and closed after", () => {
  const open = "cryptsetup open --type luks2 --allow-discards --key-file - -- /dev/vda2 crypted";
  deepEqual(cryptoLines(["format"]), [
    "cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --key-file - -- /dev/vda2",
    open,
    "mkfs.btrfs --quiet --force /dev/mapper/crypted",
    "mount -t btrfs -o subvolid=5 -- /dev/mapper/crypted /run/scratch",
    "umount -- /run/scratch",
    "systemd-cryptenroll --tpm2-device=auto --tpm2-pcrs=7 /dev/vda2",
    "cryptsetup close -- crypted",
    "cryptsetup config --label luks -- /dev/vda2",
  ]);
  const mounted = wantedMounts([{ layout: encrypted, device: "/dev/vda" }], "/mnt");
  equal(cryptoLines(["mount"])[0], open);
  deepEqual(cryptoLines(["mount"], { ...bare, mappings: [luksMapping], mounts: mounted }), []);
  equal(
    cryptoLines(["unmount"], { ...bare, mappings: [luksMapping], mounts: mounted }).at(-1),
    "cryptsetup close -- crypted",
  );
  deepEqual(cryptoLines(["unmount"]), []);
});

test("an image is not bound to the TPM of the machine that makes it", () => {
  equal(cryptoLines(["format"], { ...bare, tpm: false }).filter((line) => line.includes("tpm2")).length, 0);
});

test("a name that another encrypted device has is refused before anything is written", () => {
  const mappings = [{ ...luksMapping, sources: ["/dev/sdb1"] }];
  for (const mode of ["format", "mount"] as const)
    throws(
      () => cryptoLines([mode], { ...bare, mappings }),
      /\/dev\/mapper\/crypted is already open, from \/dev\/sdb1/,
    );
});

test("a passphrase stands in no command line, and the dry run's script reads it from its file", () => {
  const commands = diskCommands([{ layout: encrypted, device: "/dev/vda" }], ["format"], bare);
  const script = diskScript(commands);
  const read = `"$(cat -- '/tmp/it'\\''s secret')"`;
  equal(script.split(`printf %s ${read} | cryptsetup `).length, 3);
  equal(script.split(`PASSWORD=${read} systemd-cryptenroll `).length, 2);
});
