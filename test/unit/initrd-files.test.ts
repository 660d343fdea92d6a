import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { continuationFiles, initrdFiles } from "../../src/payload/initrd/files.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import type { FilePlan } from "../../src/plan/file-plan.ts";
import type { HostPlan } from "../../src/plan/host.ts";

const MACHINE_ID = {
  kind: "file",
  path: "/etc/machine-id",
  source: "/persist/etc/machine-id",
  persistRoot: "/persist",
  how: "symlink",
  within: null,
  user: "root",
  group: "root",
  mode: "0444",
  assumed: [],
  mountOptions: [],
  purpose: "",
  declaredAt: [],
  byFramework: false,
} as const;

function mount(mountpoint: string, ...options: readonly string[]) {
  const subvolume = options.find((option) => option.startsWith("subvol="))?.slice("subvol=".length) ?? null;
  return { mountpoint, device: "/dev/disk/by-label/root", fsType: "btrfs", subvolume, options };
}

const PLAN: HostPlan = {
  hostName: "host",
  platform: "x86_64-linux",
  packages: { suite: "trixie", architecture: "amd64", archive: [], packages: [], locales: [] },
  files: [],
  users: { users: [], groups: [] },
  persistence: {
    persistRoot: "/persist",
    roots: [],
    entries: [MACHINE_ID],
    parents: [],
    ephemeral: [],
    keys: [{ path: "/persist/home/alice/.keys", user: "alice", group: "alice" }],
  },
  wipe: { label: "root", subvolume: "@root", retentionDays: 30, keepNewest: 3, onFailure: "boot" },
  disk: { disks: [], nodev: [] },
  loader: { esps: [], biosBoot: null, configurationLimit: 10, timeout: 5, tries: 3 },
  runtime: false,
  boot: {
    crypttab: [],
    kernelParameters: [],
    emergencyAccess: false,
    initrdKernelModules: [],
    mounts: [mount("/", "subvol=@root"), mount("/nix", "subvol=/@nix", "ro"), mount("/persist", "subvol=@persist")],
  },
};

function text(files: readonly FilePlan[], path: string): string {
  const file = files.find((candidate) => candidate.path === path);
  assert.equal(file?.kind, "text", path);
  return file.text;
}

const paths = (files: readonly FilePlan[]) => files.map(({ path }) => path);

test("what a parameter holds is what the shell reads, whatever it is", () => {
  fc.assert(
    fc.property(
      fc.string().filter((value) => !value.includes("\0")),
      (value) => {
        const script = `${scriptParameters({ VALUE: value, NUMBER: 7 })}printf '%s|%s' "$VALUE" "$NUMBER"`;
        assert.equal(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" }), `${value}|7`);
      },
    ),
    { numRuns: 30 },
  );
  assert.throws(() => scriptParameters({ "A;B": "" }), /is not the name of a parameter/);
});

test("the wipe of a plan has its parameters, and the mount of the root wants it", () => {
  const files = initrdFiles(PLAN);
  const conf = text(files, "/etc/nixfleet/wipe.conf");
  assert.match(
    conf,
    /^LABEL='root'\nROOT_SUBVOLUME='@root'\nRETENTION_DAYS='30'\nKEEP_NEWEST='3'\nON_FAILURE='boot'\n/,
  );
  assert.match(conf, /^NIX_SUBVOLUME='@nix'$/m);
  assert.ok(paths(files).includes("/etc/systemd/system/sysroot.mount.wants/nixfleet-wipe.service"));
  assert.ok(!paths(files).includes("/etc/systemd/system/sysroot.mount.requires/nixfleet-wipe.service"));
  assert.match(
    text(files, "/etc/nixfleet/activate.conf"),
    /^MACHINE_ID='\/persist\/etc\/machine-id'\nID_MAPS=''\nROOTS=''\nKEYS='alice \//,
  );
});

test("what the wipe leaves is pruned on the running host, with the same parameters", () => {
  const files = continuationFiles(PLAN);
  assert.ok(paths(files).includes("/etc/systemd/system/multi-user.target.wants/nixfleet-prune.service"));
  assert.match(
    text(files, "/etc/nixfleet/wipe.conf"),
    /^LABEL='root'\nROOT_SUBVOLUME='@root'\nRETENTION_DAYS='30'\nKEEP_NEWEST='3'\n/,
  );
});

test("an ext4 that boot needs is checked before it is mounted, a btrfs is not", () => {
  const data = {
    mountpoint: "/data",
    device: "/dev/disk/by-label/my-data",
    fsType: "ext4",
    subvolume: null,
    options: [],
  };
  const files = initrdFiles({ ...PLAN, boot: { ...PLAN.boot, mounts: [...PLAN.boot.mounts, data] } });
  const unit = text(files, "/etc/systemd/system/sysroot-data.mount");
  const check = "systemd-fsck@dev-disk-by\\\\x2dlabel-my\\\\x2ddata.service";
  assert.match(unit, new RegExp(`^Requires=${check}\nAfter=${check}$`, "m"));
  assert.doesNotMatch(text(files, "/etc/systemd/system/sysroot-persist.mount"), /fsck/);
});

test("emergency mode lets in whom the declaration names", () => {
  const files = (emergencyAccess: boolean | string) =>
    initrdFiles({ ...PLAN, boot: { ...PLAN.boot, emergencyAccess } });
  const opens = (all: readonly FilePlan[]) => paths(all).filter((path) => /shadow|cmdline\.d/.test(path));
  assert.deepEqual(opens(files(false)), []);
  assert.equal(text(files(true), "/etc/cmdline.d/90-nixfleet.conf"), "SYSTEMD_SULOGIN_FORCE=1\n");
  const hash = "$6$salt$hash/.";
  const shadow = files(hash).find(({ path }) => path === "/etc/shadow");
  assert.deepEqual(shadow?.kind === "text" && [shadow.text, shadow.mode], [`root:${hash}:20000::::::\n`, "0600"]);
  for (const unit of ["nixfleet-cause", "nixfleet-retry"]) {
    const wanted = `/etc/systemd/system/emergency.target.wants/${unit}.service`;
    for (const all of [files(false), continuationFiles(PLAN)]) assert.ok(paths(all).includes(wanted), wanted);
  }
});

test("what says which disks are the host's own is in the initrd and on the host", () => {
  for (const files of [initrdFiles(PLAN), continuationFiles(PLAN)]) {
    assert.match(text(files, "/etc/udev/rules.d/90-nixfleet-own-disks.rules"), /IMPORT\{cmdline\}="nixfleet\.disks"/);
    assert.ok(paths(files).includes("/etc/nixfleet/own-disk.sh"));
  }
  assert.match(
    text(initrdFiles(PLAN), "/etc/nixfleet/disks.conf"),
    /^LABELS='root'\nROOT_LABEL='root'\nROOT_SUBVOLUME='@root'$/m,
  );
  const lasting = paths(initrdFiles({ ...PLAN, wipe: null }));
  assert.ok(lasting.includes("/usr/lib/nixfleet/filesystem.sh"), "of a root that stays too");
  assert.ok(lasting.includes("/etc/systemd/system/sysroot.mount.requires/nixfleet-disks.service"));
});

test("onFailure = halt makes the mount of the root require the wipe", () => {
  const files = initrdFiles({
    ...PLAN,
    wipe: { label: "root", subvolume: "@root", retentionDays: 1, keepNewest: 1, onFailure: "halt" },
  });
  assert.ok(paths(files).includes("/etc/systemd/system/sysroot.mount.requires/nixfleet-wipe.service"));
  assert.match(text(files, "/etc/systemd/system/nixfleet-wipe.service.d/halt.conf"), /FailureAction=halt-force/);
});

test("a host whose root stays has no wipe and prunes nothing", () => {
  const files = [...initrdFiles({ ...PLAN, wipe: null }), ...continuationFiles({ ...PLAN, wipe: null })];
  assert.deepEqual(
    paths(files).filter((path) => /wipe|prune|old-roots/.test(path)),
    [],
  );
});

test("filesystems that boot needs are mounted before activation, which cannot do without them", () => {
  const files = initrdFiles({
    ...PLAN,
    boot: { ...PLAN.boot, mounts: [...PLAN.boot.mounts, mount("/var/my-data%", "subvol=@data")] },
  });
  const unit = text(files, "/etc/systemd/system/sysroot-persist.mount");
  assert.match(unit, /^Where=\/sysroot\/persist\nType=btrfs\nOptions=subvol=@persist,x-initrd.mount$/m);
  assert.match(unit, /^Before=nixfleet-activate.service$/m);
  assert.ok(paths(files).includes("/etc/systemd/system/nixfleet-activate.service.requires/sysroot-persist.mount"));
  assert.match(text(files, "/etc/systemd/system/sysroot-var-my\\x2ddata\\x25.mount"), /^Where=.*my-data%%$/m);
});

test("every relation leads to a unit that is there, and no file comes twice", () => {
  for (const files of [initrdFiles(PLAN), continuationFiles(PLAN)]) {
    assert.equal(new Set(paths(files)).size, files.length);
    for (const file of files) {
      if (file.kind !== "symlink" || file.target === "/dev/null") continue;
      assert.ok(paths(files).includes(join(file.path, "..", file.target)), file.path);
    }
  }
});

test("every script that another one sources is there", () => {
  for (const files of [initrdFiles(PLAN), continuationFiles(PLAN)]) {
    const scripts = files.filter(({ path }) => path.endsWith(".sh"));
    assert.ok(scripts.length > 3);
    for (const { path } of scripts)
      for (const [, name = ""] of text(files, path).matchAll(/^\. "\$\{0%\/\*\}\/(.+)"$/gm))
        assert.ok(paths(files).includes(join(path, "..", name)), `${path} sources ${name}`);
  }
});

test("an ephemeral root without a subvolume for the store is refused", () => {
  const boot = { ...PLAN.boot, mounts: [mount("/", "subvol=@root"), mount("/nix", "ro")] };
  assert.throws(() => initrdFiles({ ...PLAN, boot }), /needs a btrfs subvolume mounted at \/nix/);
});

/** What a unit says, each key with all that it is given, as systemd adds it up. */
function unit(name: string): ReadonlyMap<string, string> {
  const lines = readFileSync(join(import.meta.dirname, "../../src/payload/initrd", name), "utf8").split("\n");
  const said = new Map<string, string>();
  for (const line of lines) {
    const [, key, value] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? [];
    if (key !== undefined) said.set(key, `${said.has(key) ? `${said.get(key)} ` : ""}${value}`);
  }
  return said;
}

for (const [promise, name, key, value] of [
  ["comes after a resume from hibernation has been tried", "wipe", "After", /\bsystemd-hibernate-resume\.service\b/],
  ["comes after the root device is there", "wipe", "After", /\binitrd-root-device\.target\b/],
  ["is tried only with the root device", "wipe", "Requires", /\binitrd-root-device\.target\b/],
  ["comes before the root is mounted", "wipe", "Before", /\bsysroot\.mount\b/],
  ["never runs on a host that is up", "wipe", "AssertPathExists", /^\/etc\/initrd-release$/],
  ["does not hold a shutdown", "wipe", "Conflicts", /^shutdown\.target$/],
  ["is given up when it hangs", "wipe", "TimeoutStartSec", /^10min$/],
  ["says on the console and in the journal what went wrong", "wipe", "StandardError", /^journal\+console$/],
  ["halts the host where it must not go on", "wipe-halt.conf", "FailureAction", /^halt-force$/],
  ["is not waited for by the boot", "prune", "After", /^multi-user\.target$/],
  ["takes no time from others", "prune", "CPUSchedulingPolicy", /^idle$/],
  ["takes no disk from others", "prune", "IOSchedulingClass", /^idle$/],
  ["shows its mount to nobody", "prune", "PrivateMounts", /^yes$/],
  ["comes when the root is mounted", "activate", "After", /\bsysroot\.mount\b/],
  ["comes before the host's systemd", "activate", "Before", /\binitrd-switch-root\.target\b/],
] as const) {
  test(`what a unit is for: ${name.replace(/-.*/, "")} ${promise}`, () => {
    const file = name.endsWith(".conf") ? `nixfleet-${name}` : `nixfleet-${name}.service`;
    assert.match(unit(file).get(key) ?? "", value);
  });
}

test("each oneshot of the initrd stays active, so that no later transaction starts it again", () => {
  const folder = join(import.meta.dirname, "../../src/payload/initrd");
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".service"))) {
    const unit = readFileSync(join(folder, name), "utf8");
    if (unit.includes("Type=oneshot")) assert.match(unit, /^RemainAfterExit=yes$/m, name);
  }
});

test("a persist root that is a folder is made by activation, and one that is mounted is not", () => {
  const named = (path: string) => ({ path, name: path, purpose: "" });
  const persistence = { ...PLAN.persistence, roots: [named("/persist"), named("/persist/system")] };
  assert.match(
    text(initrdFiles({ ...PLAN, persistence }), "/etc/nixfleet/activate.conf"),
    /^ROOTS='\/persist\/system'$/m,
  );
});
