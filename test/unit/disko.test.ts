/** Disks as a fleet declares them. */
import { deepEqual, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import type { HostPlan } from "../../src/plan/host.ts";

type Modules = Parameters<typeof mkHost>[0]["modules"];

function planOf(...modules: Modules): HostPlan {
  const host = mkHost({ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules });
  // As `nixfleet check` does.
  host.evaluation.force();
  return host.plan();
}

const impermanence = { nixfleet: { impermanence: { enable: true } } };
const disk = "/dev/vda";
const passwordFile = "/tmp/disk.key";

const templates: readonly (readonly [name: string, modules: Modules, mounted: readonly string[]])[] = [
  ["btrfs", [diskoTemplates.btrfs({ disk })], ["/", "/home", "/nix"]],
  ["btrfsBios", [diskoTemplates.btrfsBios({ disk })], ["/", "/home", "/nix"]],
  ["btrfsImpermanence", [diskoTemplates.btrfsImpermanence({ disk }), impermanence], ["/", "/nix", "/persist"]],
  ["btrfsImpermanenceBios", [diskoTemplates.btrfsImpermanenceBios({ disk }), impermanence], ["/", "/nix", "/persist"]],
  [
    "btrfsRaid1Impermanence",
    [diskoTemplates.btrfsRaid1Impermanence({ disks: [disk, "/dev/vdb"] }), impermanence],
    ["/", "/nix", "/persist"],
  ],
  [
    "luksBtrfsImpermanence",
    [diskoTemplates.luksBtrfsImpermanence({ disk, passwordFile }), impermanence],
    ["/", "/nix", "/persist"],
  ],
  ["ext4", [diskoTemplates.ext4({ disk })], ["/", "/nix"]],
];

for (const [name, modules, mounted] of templates) {
  test(`a host can be made with the template ${name}`, () => {
    const { boot, disk } = planOf(...modules);
    deepEqual(
      boot.mounts.map(({ mountpoint }) => mountpoint),
      mounted,
    );
    const first = disk.disks[0]?.partitions[0];
    deepEqual(first?.type, name.endsWith("Bios") ? "bios-boot" : "esp");
  });
}

test("every template is tried here", () => {
  deepEqual(Object.keys(diskoTemplates).sort(), templates.map(([name]) => name).sort());
});

test("a template takes sizes and swap", () => {
  const { disk: plan, files } = planOf(diskoTemplates.btrfs({ disk, espSize: "1G", rootSize: "20G", swapSize: "2G" }));
  deepEqual(
    plan.disks[0]?.partitions.map(({ name, size }) => `${name} ${(size ?? 0) / 1024 ** 3}`),
    ["ESP 1", "root 20", "swap 2"],
  );
  const fstab = files.find(({ path }) => path === "/etc/fstab");
  match(fstab?.kind === "text" ? fstab.text : "", /^\/dev\/disk\/by-label\/swap none swap nofail 0 0$/m);
});

test("a hibernated system is looked for in the swap of a template, unless it is in an encrypted root", () => {
  const parameters = (...modules: Modules) => planOf(...modules).boot.kernelParameters;
  deepEqual(parameters(diskoTemplates.btrfs({ disk, swapSize: "2G" })), ["resume=/dev/disk/by-label/swap"]);
  deepEqual(parameters(diskoTemplates.btrfs({ disk })), []);
  deepEqual(parameters(diskoTemplates.luksBtrfsImpermanence({ disk, passwordFile, swapSize: "2G" })), []);
});

test("the initrd opens what the root is in, by the label, and the TPM does it where one is enrolled", () => {
  const crypttab = (enrollTpm2: boolean) =>
    planOf(diskoTemplates.luksBtrfsImpermanence({ disk, passwordFile, enrollTpm2 })).boot.crypttab;
  deepEqual(crypttab(false), ["crypted /dev/disk/by-label/luks none luks,x-initrd.attach"]);
  deepEqual(crypttab(true), ["crypted /dev/disk/by-label/luks none luks,tpm2-device=auto,x-initrd.attach"]);
});

test("encrypted data that nothing early needs is opened by the running host, with its key file", () => {
  const data = {
    size: "100%",
    content: {
      type: "luks" as const,
      settings: { keyFile: "/persist/keys/data" },
      content: { type: "filesystem" as const, format: "ext4" as const, label: "files", mountpoint: "/srv" },
    },
  };
  const { boot, files } = planOf(diskoTemplates.btrfs({ disk }), {
    disko: { devices: { disk: { data: { device: "/dev/vdb", content: { partitions: { data } } } } } },
  });
  deepEqual(boot.crypttab, []);
  const text = (path: string) => files.flatMap((file) => (file.path === path && file.kind === "text" ? file.text : []));
  deepEqual(text("/etc/crypttab"), ["data /dev/disk/by-label/data /persist/keys/data luks,nofail\n"]);
  match(text("/etc/fstab").join(), /^\/dev\/disk\/by-label\/files \/srv ext4 defaults 0 2$/m);
});

test("services wait for every filesystem; only the ESP and what says nofail may be missing; those that need it are checked", () => {
  const content = (format: "ext4" | "vfat", mountpoint: string, ...mountOptions: string[]) => ({
    size: "1G",
    content: { type: "filesystem" as const, format, mountpoint, mountOptions },
  });
  const partitions = { files: content("ext4", "/srv"), spare: content("ext4", "/mnt/spare", "noatime", "nofail") };
  const { files } = planOf(diskoTemplates.btrfs({ disk }), {
    disko: { devices: { disk: { data: { device: "/dev/vdb", content: { partitions } } } } },
  });
  const [fstab] = files.flatMap((file) => (file.path === "/etc/fstab" && file.kind === "text" ? file.text : []));
  const lines = (fstab ?? "").split("\n").map((one) => one.split(" ").slice(1).join(" "));
  ok(lines.includes("/boot vfat umask=0077,nofail 0 2"), fstab);
  ok(lines.includes("/srv ext4 defaults 0 2"), fstab);
  ok(lines.includes("/mnt/spare ext4 noatime,nofail,x-systemd.before=local-fs.target 0 2"), fstab);
});

test("only a host with something encrypted gets the packages for it", () => {
  const packages = (...modules: Modules) => planOf(...modules).packages.packages;
  ok(packages(diskoTemplates.luksBtrfsImpermanence({ disk, passwordFile })).includes("systemd-cryptsetup"));
  ok(!packages(diskoTemplates.btrfs({ disk })).some((name) => name.includes("crypt")));
});

type Partitions = Record<string, unknown>;
const root = {
  size: "100%",
  content: {
    type: "btrfs",
    label: "root",
    subvolumes: { "@root": { mountpoint: "/" }, "@nix": { mountpoint: "/nix" } },
  },
};
const disks = (partitions: Partitions, more: object = {}): object => ({
  disko: { devices: { disk: { main: { device: disk, ...more, content: { partitions } } } } },
});
const swap = (label: string) => ({ size: "1G", label, content: { type: "swap", label } });

const bad: readonly (readonly [what: string, modules: object[], says: RegExp])[] = [
  [
    "sizes that do not add up",
    [disks({ root, data: { ...swap("data"), size: "100%" } })],
    /data and root each take the rest/,
  ],
  ["an image that is too small", [disks({ root }, { imageSize: "200M" })], /need 258M, its image has 200M/],
  ["a partition too small for what it holds", [disks({ root: { ...root, size: "100M" } })], /100M is too small/],
  [
    "two partitions called alike",
    [disks({ root, a: swap("alike"), b: { ...swap("other"), label: "alike" } })],
    /two partitions are named alike/,
  ],
  [
    "a mountpoint used twice",
    [disks({ root, more: { size: "1G", content: { type: "filesystem", format: "ext4", mountpoint: "/nix" } } })],
    /two filesystems are mounted on \/nix/,
  ],
  [
    "an unknown type",
    [disks({ root: { ...root, content: { ...root.content, type: "zfs" } } })],
    /partitions\.root\.content\.type = "zfs": Debian's kernel has no ZFS[\s\S]*use type: "btrfs"/,
  ],
  [
    "an unknown kind of table",
    [{ disko: { devices: { disk: { main: { device: disk, content: { type: "dos" } } } } } }],
    /wanted one of "gpt", "table", got "dos"/,
  ],
  [
    "an option of another type",
    [disks({ root, a: { size: "1G", content: { type: "swap", mountpoint: "/a" } } })],
    /a swap has no mountpoint/,
  ],
  [
    "a filesystem without a format",
    [disks({ root, a: { size: "1G", content: { type: "filesystem" } } })],
    /a filesystem needs a format/,
  ],
  ["no root", [disks({ a: swap("swap") })], /no filesystem is mounted on \//],
  [
    "an ephemeral root on ext4",
    [diskoTemplates.ext4({ disk }), impermanence],
    /wants a btrfs subvolume, such as @root, mounted at \//,
  ],
  [
    "a disk twice",
    [diskoTemplates.btrfs({ disk }), disks({ root: swap("x") })],
    /disko\.devices|defined more than once/,
  ],
];

for (const [what, modules, says] of bad) {
  test(`${what} is an error that says where it is declared and what to do`, () => {
    throws(
      () => planOf(...(modules as unknown as Modules)),
      (error: unknown) => {
        ok(error instanceof UserError, String(error));
        match(error.text, says);
        match(error.text, /disko\.test\.ts:\d+/);
        return true;
      },
    );
  });
}
