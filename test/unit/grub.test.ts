import assert from "node:assert/strict";
import { test } from "node:test";
import { grubImages } from "../../src/deploy/grub.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { UserError } from "../../src/modules/errors.ts";

test("GRUB's first sector leads to its image, and that to its own rest, wherever the partition is", () => {
  const { boot, core } = grubImages(Buffer.alloc(512, 1), Buffer.alloc(1300, 2), 2048);
  assert.equal(boot.length, 440, "the disk's signature and its table are behind that");
  assert.equal(boot.readBigUInt64LE(0x5c), 2048n);
  assert.equal(core.length, 3 * 512);
  assert.equal(core.readBigUInt64LE(0x1f4), 2049n);
  assert.equal(core.readUInt16LE(0x1fc), 2);
  assert.equal(core[1299], 2);
  assert.equal(core[1300], 0);
});

test("a host for a BIOS gets GRUB, and one whose store GRUB could not read is refused", () => {
  const host = (...modules: Parameters<typeof mkHost>[0]["modules"]) =>
    mkHost({ hostName: "old", platform: "x86_64-linux", modules }).plan();
  const bios = host(diskoTemplates.btrfsBios({ disk: "/dev/vda" }));
  assert.deepEqual([bios.loader.esp, bios.loader.biosBoot], [null, { name: "bios", number: 1 }]);
  assert.ok(bios.packages.packages.includes("grub-pc-bin") && !bios.packages.packages.includes("systemd-boot"));
  const partitions = { grub: { size: "1M", type: "EF02" } } as const;
  assert.throws(
    () =>
      host(diskoTemplates.ext4({ disk: "/dev/vda" }), {
        disko: { devices: { disk: { main: { content: { partitions } } } } },
      }),
    (error) => error instanceof UserError && /could not read the store/.test(error.text),
  );
});
