import assert from "node:assert/strict";
import { test } from "node:test";
import { base32 } from "../../src/closure/store/digest.ts";
import { closureCommandLine, generationCommandLine } from "../../src/closure/tree/command-line.ts";

const ROOT = { mountpoint: "/", device: "/dev/disk/by-label/root", fsType: "btrfs", subvolume: null };

test("the kernel is told the root, its options, and what the plan adds, in this order", () => {
  const boot = {
    kernelParameters: ["console=ttyS0", "quiet"],
    emergencyAccess: false,
    initrdKernelModules: [],
    crypttab: [],
    mounts: [
      { ...ROOT, mountpoint: "/nix", options: ["ro"] },
      { ...ROOT, options: ["subvol=@root", "noatime"] },
    ],
  };
  const line = closureCommandLine(boot);
  assert.equal(
    line,
    "root=/dev/disk/by-label/root rootfstype=btrfs rootflags=subvol=@root,noatime rw console=ttyS0 quiet",
  );
  assert.equal(
    generationCommandLine(line, "/nix/store/x-nixfleet-y"),
    `${line} nixfleet.closure=/nix/store/x-nixfleet-y`,
  );
});

test("a digest is written in Nix's alphabet, 5 bits a character", () => {
  assert.equal(base32(new Uint8Array(20)), "0".repeat(32));
  assert.equal(base32(new Uint8Array(20).fill(255)), "z".repeat(32));
  assert.equal(base32(Uint8Array.of(0b00001_000, 0b10_00011_0, 0b0100_0010, 0b1_00110_00, 0b111_01000)), "12345678");
});
