import assert from "node:assert/strict";
import { test } from "node:test";
import { diskoTemplates, mkHost } from "../../src/index.ts";

test("a layout has no subvolume of a name that the wipe makes and deletes", () => {
  const plan = (name: string) =>
    mkHost({
      hostName: "host",
      platform: "x86_64-linux",
      modules: [
        diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
        { nixfleet: { impermanence: { enable: true } } },
        {
          disko: {
            devices: {
              disk: { main: { content: { partitions: { root: { content: { subvolumes: { [name]: {} } } } } } } },
            },
          },
        },
      ],
    }).plan();
  for (const name of ["@root.new", "@root.reserve", "old_roots"]) {
    assert.throws(() => plan(name), new RegExp(`makes and deletes a subvolume of the name ${name}`));
  }
  assert.doesNotThrow(() => plan("@root.data"));
});

test("the root may be a subvolume of any name, beside what is to stay", () => {
  const plan = (root: string, ...others: readonly string[]) => {
    const subvolumes = {
      [root]: { mountpoint: "/" },
      "/nix": { mountpoint: "/nix" },
      "/persist": { mountpoint: "/persist" },
      ...Object.fromEntries(others.map((name) => [name, {}])),
    };
    const partitions = {
      ESP: { size: "1G", type: "EF00", content: { type: "filesystem", format: "vfat", mountpoint: "/boot" } },
      root: { size: "100%", content: { type: "btrfs", subvolumes } },
    } as const;
    return mkHost({
      hostName: "host",
      platform: "x86_64-linux",
      modules: [
        { nixfleet: { impermanence: { enable: true } } },
        { disko: { devices: { disk: { main: { device: "/dev/vda", content: { partitions } } } } } },
      ],
    }).plan();
  };
  for (const root of ["/rootfs", "/root", "@", "os/root"]) {
    const { wipe, boot } = plan(root, "/home", "/home/user");
    const name = root.replace(/^\//, "");
    assert.equal(wipe?.subvolume, name);
    assert.equal(boot.mounts.find(({ mountpoint }) => mountpoint === "/")?.subvolume, name);
    assert.throws(() => plan(root, `${root}/data`), /is in \S+, which the wipe takes away with all that is in it/);
    assert.throws(() => plan(root, `${root}.new`), /makes and deletes a subvolume of the name \S+\.new/);
  }
});

test("a filesystem hides nothing of what a fresh root has, and nothing that is persisted hides a filesystem", () => {
  const plan = (mountpoint: string, ...directories: string[]) =>
    mkHost({
      hostName: "host",
      platform: "x86_64-linux",
      modules: [
        diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
        { nixfleet: { impermanence: { enable: true } }, environment: { persistence: { "/persist": { directories } } } },
        {
          disko: {
            devices: {
              disk: {
                main: {
                  content: {
                    partitions: {
                      root: { content: { subvolumes: { "@own": { mountpoint, neededForBoot: true } } } },
                    },
                  },
                },
              },
            },
          },
        },
      ],
    }).plan();
  for (const path of ["/var", "/var/lib"])
    assert.throws(() => plan(path), new RegExp(`filesystem.* on ${path}|${path}.*hide`));
  assert.doesNotThrow(() => plan("/var/lib/postgresql"));
  assert.throws(() => plan("/srv/data", "/srv"), /\/srv is persisted, which would hide .* on \/srv\/data/);
  assert.doesNotThrow(() => plan("/srv", "/srv/data"));
});
