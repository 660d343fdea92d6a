/** `nixfleet import nixos`: what NixOS says of itself, as a first fleet.ts. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadFleet } from "../../src/deploy/load-fleet.ts";
import { writeFlake } from "../../src/deploy/nixos-flake.ts";
import { flakeFiles } from "../../src/emit/nixos/flake.ts";
import { hostOnNixos } from "../../src/emit/nixos/host.ts";
import { UserError } from "../../src/errors.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { type Exported, parseExported } from "../../src/import/nixos/exported.ts";
import { fleetFrom } from "../../src/import/nixos/fleet.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { mountedFilesystems } from "../../src/plan/disk-plan.ts";
import { onNixos } from "./as-planned.ts";
import { packagesIn } from "./emitted.ts";
import { fleet } from "./fleet.ts";
import { NIX_TESTS, nix, withoutNix } from "./nix.ts";

const options = { skip: withoutNix };

test("a host that somebody has lived in: its paths, disk and users, and a list of the rest", options, async () => {
  await using tool = await nix();
  const exported = parseExported(
    JSON.stringify(await tool.evaluate(`import ${PACKAGE_ROOT}/nix/export.nix (import ${NIX_TESTS}/lived-in.nix)`)),
    "lived-in.json",
  );
  const { host, lost, text } = await imported(exported);
  await isFormatted(text);
  const plan = host.plan();
  const entry = (path: string) => {
    const found = plan.persistence.entries.find((one) => one.path === path);
    return [
      found?.persistRoot,
      found?.kind,
      found?.how,
      `${found?.user}:${found?.group}`,
      found?.mode,
      found?.mountOptions,
    ];
  };
  assert.deepEqual(entry("/home/alice/.gnupg"), [
    "/persist",
    "directory",
    "bind",
    "alice:users",
    "0700",
    ["x-gvfs-hide"],
  ]);
  assert.deepEqual(entry("/srv/bob/mail"), ["/persist", "directory", "bind", "bob:users", "0755", []]);
  assert.deepEqual(entry("/var/lib/colord"), ["/persist", "directory", "bind", "root:root", "0750", ["x-gvfs-hide"]]);
  assert.deepEqual(entry("/var/lib/media"), ["/state", "directory", "bind", "bob:users", "2770", ["noexec", "size=1"]]);
  assert.deepEqual(entry("/home/alice/.config/app"), ["/state", "directory", "bind", "alice:users", "0755", []]);
  assert.deepEqual(entry("/home/alice/.config/one"), ["/state", "file", "symlink", "alice:users", "0644", []]);
  assert.equal(entry("/etc/app/token")[0], "/persist");
  assert.equal(plan.persistence.parents.find(({ path }) => path === "/etc/app")?.mode, "0700");
  assert.equal(plan.persistence.parents.find(({ path }) => path === "/home/alice/.config")?.mode, "0700");
  assert.deepEqual(
    mountedFilesystems(plan.disk).map(({ mountpoint, subvolume, mountOptions }) => [
      mountpoint,
      subvolume,
      mountOptions,
    ]),
    [
      ["/", "root", ["compress=zstd"]],
      ["/.swapvol", "swap", []],
      ["/boot", null, ["umask=0077"]],
      ["/nix", "nix", ["compress=zstd", "noatime"]],
      ["/persist", "persist", []],
      ["/state", "state", []],
    ],
  );
  assert.deepEqual(
    plan.disk.nodev.map(({ mountpoint }) => mountpoint),
    ["/tmp"],
  );
  assert.deepEqual(
    plan.users.users.map(({ name, uid, group, home, shell, hashedPasswordFile }) => [
      name,
      uid,
      group,
      home,
      shell,
      hashedPasswordFile,
    ]),
    [
      ["alice", 1000, "users", "/home/alice", "/usr/bin/zsh", "/persist/passwords/alice"],
      ["bob", 1001, "users", "/srv/bob", "/bin/bash", null],
    ],
  );
  const groups = plan.users.groups.filter(({ members }) => members.includes("alice")).map(({ name }) => name);
  assert.deepEqual(groups, ["docker", "media", "netdev", "sudo"]);
  assert.equal(plan.users.groups.find(({ name }) => name === "media")?.gid, 500);
  const { hostSpec, services, programs, virtualisation, networking } = host.config;
  assert.deepEqual([hostSpec.userName, hostSpec.locale, hostSpec.keyMap], ["alice", "de_DE.UTF-8", "de"]);
  assert.ok(
    services.openssh.enable && programs.zsh.enable && virtualisation.docker.enable && networking.networkmanager.enable,
  );
  for (const line of [
    /\/nix\/var does not persist here: nothing below \/nix can/,
    /\/etc\/ssh\/ssh_host_ed25519_key: here the server has its keys in \/etc\/ssh\/host-keys/,
    /\/var\/lib\/colord belongs to colord/,
    /alice is in the group plugdev2/,
    /services that are enabled: jellyfin$/,
    /packages, files in \/etc, units/,
  ]) {
    assert.ok(
      lost.some((one) => line.test(one)),
      String(line),
    );
    assert.match(text, /\/\/ - /);
  }
});

test("a host that says its platform in the old way is read too", options, async () => {
  await using tool = await nix();
  const old = '{ nixpkgs = { hostPlatform = throw "used but not defined"; system = "aarch64-linux"; }; }';
  const value = await tool.evaluate(
    `import ${PACKAGE_ROOT}/nix/export.nix (import ${NIX_TESTS}/lived-in.nix // ${old})`,
  );
  assert.equal(parseExported(JSON.stringify(value), "old.json").platform, "aarch64-linux");
});

for (const persistence of ["preservation", "impermanence"] as const) {
  test(
    `what was emitted with ${persistence} comes back with the same paths, owners, modes and disks`,
    options,
    async () => {
      await using tool = await nix();
      await using folder = await temporaryFolder();
      const hosts = [...fleet.hosts.values()].filter(({ hostName }) => hostName !== "tested");
      const files = flakeFiles(
        new Map(hosts.map((host) => [host.hostName, hostOnNixos(host, host.plan(), persistence)])),
        persistence,
      );
      await writeFlake(folder.path, files);
      const exported = await tool.evaluate(
        `import ${join(NIX_TESTS, "exports.nix")} { folder = ${folder.path}; packages = [ ${packagesIn(folder.path, files)} ]; }`,
      );
      for (const [name, value] of Object.entries(Object(exported))) {
        const before = fleet.hosts.get(name)?.plan();
        assert.ok(before !== undefined);
        const { host } = await imported(parseExported(JSON.stringify(value), name));
        const after = host.plan();
        const there = (plan: typeof before) => new Map(plan.persistence.entries.map((entry) => [entry.path, entry]));
        for (const entry of onNixos(before)) {
          // What lies in another entry persists with it.
          if (entry.within?.persistRoot === entry.persistRoot) continue;
          const found = there(after).get(entry.path);
          // The accounts of services are not carried over, and whom only a package of Debian's brings, nobody has there.
          const [user, group] = /^(postgres|acme|atd)$/.test(entry.user)
            ? ["root", "root"]
            : [entry.user === "nixfleet-cp" ? "root" : entry.user, entry.group];
          const mode = persistence === "impermanence" && entry.kind === "file" ? found?.mode : entry.mode;
          assert.deepEqual(
            [found?.persistRoot, found?.kind, found?.user, found?.group === "lp" ? "root" : found?.group, found?.mode],
            [entry.persistRoot, entry.kind, user, group === "lp" ? "root" : group, mode],
            `${name}: ${entry.path}`,
          );
        }
        const mounts = ({ disk }: typeof before) =>
          mountedFilesystems(disk).map(({ mountpoint, fsType, subvolume, mountOptions, label }) => [
            ...[mountpoint, fsType, subvolume, mountOptions, label],
          ]);
        assert.deepEqual(mounts(after), mounts(before), name);
        assert.deepEqual(after.wipe === null, before.wipe === null, name);
      }
    },
  );
}

test("a layout that is not made here is not carried over in part, and what it is is said", () => {
  const host = { ...BARE, otherDevices: ["zpool"] };
  const { text, lost } = fleetFrom([host]);
  assert.doesNotMatch(text, /disko:/);
  assert.deepEqual(lost.get("bare")?.slice(0, 1), ["disko.devices.zpool: there is no such device here"]);
  const lvm = {
    disks: {
      main: {
        device: "/dev/vda",
        content: { type: "gpt", partitions: { a: { type: "8300", priority: 1, content: { type: "lvm_pv" } } } },
      },
    },
  };
  assert.match(
    fleetFrom([{ ...BARE, ...lvm }]).lost.get("bare")?.[0] ?? "",
    /disk\.main: the import cannot carry its layout over/,
  );
  assert.match(fleetFrom([BARE]).lost.get("bare")?.[0] ?? "", /choose a disk template/);
});

test("a file that is something else is refused with what is wrong; no name in it makes code of its own", async () => {
  const refused = (text: string, message: RegExp) =>
    assert.throws(
      () => parseExported(text, "x.json"),
      (error) => error instanceof UserError && message.test(error.text),
    );
  refused("nonsense", /x.json is not what nix\/export.nix writes/);
  refused(JSON.stringify({ ...BARE, version: 2 }), /version: /);
  refused(JSON.stringify({ ...BARE, persistence: [{ path: 5 }] }), /persistence.0.path: /);
  const hostile = `a"); process.exit(1); ("\n// $\{1} \`\u2028\u001b[2J`;
  const host: Exported = {
    ...BARE,
    users: { alice: { ...USER, description: hostile, extraGroups: [hostile] } },
    services: [hostile],
    persistence: [
      {
        path: "/persist",
        directories: [{ path: `/srv/${hostile}`, how: "auto", parent: {}, mountOptions: [] }],
        files: [],
      },
    ],
  };
  const { text } = fleetFrom([host]);
  assert.ok(!text.split("\n").some((line) => /^\s*(process|\/\/ \$)/.test(line)) && !text.includes("\u001b"));
  assert.doesNotMatch(text, /^\/\/ \$/m);
});

const USER = {
  ...{ description: "", extraGroups: [], group: "alice", hashedPasswordFile: null, home: "/home/alice" },
  ...{ uid: 1000, shell: null, keys: [] },
};

const BARE: Exported = {
  ...{ version: 1, hostName: "bare", platform: "x86_64-linux", timeZone: null, locale: "en_US.UTF-8", keyMap: "us" },
  ...{ users: {}, groups: {}, disks: {}, nodev: {}, otherDevices: [], persistence: [] },
  ...{ services: [], programs: [], virtualisation: [], networkmanager: false, bluetooth: false },
};

/** Loaded as a fleet of one's own is. */
async function imported(
  exported: Exported,
): Promise<{ readonly host: Host; readonly text: string; readonly lost: readonly string[] }> {
  await using folder = await temporaryFolder();
  const { text, lost } = fleetFrom([exported]);
  const file = join(folder.path, "fleet.ts");
  writeFileSync(file, text);
  const { fleet: loaded } = await loadFleet(file);
  const host = loaded.hosts.get(exported.hostName);
  assert.ok(host !== undefined);
  return { host, text, lost: lost.get(exported.hostName) ?? [] };
}

async function isFormatted(text: string): Promise<void> {
  const biome = join(PACKAGE_ROOT, "node_modules", ".bin", "biome");
  const formatted = await run(biome, ["format", "--stdin-file-path=fleet.ts"], { input: text, cwd: PACKAGE_ROOT });
  assert.equal(text, formatted);
}
