import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";

test("a host for a BIOS gets GRUB, and one whose store GRUB could not read is refused", () => {
  const host = (...modules: Parameters<typeof mkHost>[0]["modules"]) =>
    mkHost({ hostName: "old", platform: "x86_64-linux", modules }).plan();
  const bios = host(diskoTemplates.btrfsBios({ disk: "/dev/vda" }));
  assert.deepEqual([bios.loader.esps, bios.loader.biosBoot], [[], { name: "bios", number: 1 }]);
  assert.ok(bios.packages.packages.includes("grub-pc-bin") && !bios.packages.packages.includes("systemd-boot"));
  const partitions = { grub: { size: "1M", type: "EF02" } } as const;
  const both = host(diskoTemplates.ext4({ disk: "/dev/vda" }), {
    disko: { devices: { disk: { main: { content: { partitions } } } } },
  });
  assert.deepEqual([both.loader.esps, both.loader.biosBoot], [["/boot"], null], "a UEFI boots it");
  const root = { size: "100%", content: { type: "filesystem", format: "ext4", mountpoint: "/" } } as const;
  assert.throws(
    () =>
      host({
        disko: {
          devices: { disk: { main: { device: "/dev/vda", content: { partitions: { ...partitions, root } } } } },
        },
      }),
    (error) => error instanceof UserError && /could not read the store/.test(error.text),
  );
});

test("a kernel parameter that would reach the kernel changed is refused, naming it", () => {
  const template = { UEFI: diskoTemplates.btrfs, BIOS: diskoTemplates.btrfsBios };
  const plan = (firmware: "UEFI" | "BIOS", ...kernelParams: string[]) =>
    mkHost({
      hostName: "old",
      platform: "x86_64-linux",
      modules: [template[firmware]({ disk: "/dev/vda" }), { boot: { kernelParams } }],
    }).plan();
  const good = ["memmap=64K$0x10000", 'dyndbg="file a.c +p; $x"', "a;b{c}"];
  for (const firmware of ["UEFI", "BIOS"] as const)
    assert.deepEqual(plan(firmware, ...good).boot.kernelParameters, good);
  for (const parameter of ["it's", "back\\slash"]) {
    assert.doesNotThrow(() => plan("UEFI", parameter));
    assert.throws(
      () => plan("BIOS", "quiet", parameter),
      (error) => error instanceof UserError && error.text.includes(`parameter ${parameter} to`),
    );
  }
  for (const parameter of ["a b", 'x="unclosed', 'x=a"b c"', "x\u0007y", 'two="a"b', ""])
    assert.throws(() => plan("UEFI", parameter), /wanted one kernel parameter/, parameter);
});
