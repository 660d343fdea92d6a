import assert from "node:assert/strict";
import { test } from "node:test";
import { installTargets } from "../../src/cli/install.ts";
import { UserError } from "../../src/errors.ts";
import { planWith } from "./host.ts";

const one = planWith();
const two = {
  ...one,
  disk: { ...one.disk, disks: [...one.disk.disks, ...one.disk.disks.map((disk) => ({ ...disk, name: "data" }))] },
};

test("the device of a host with one disk needs no name", () => {
  for (const given of ["/dev/sda", "main=/dev/sda"]) {
    assert.deepEqual(
      installTargets(one, [given]).map(({ layout, device }) => [layout.name, device]),
      [["main", "/dev/sda"]],
    );
  }
});

test("each of several disks is named with its device, and none is left to chance", () => {
  assert.deepEqual(
    installTargets(two, ["data=/dev/sdb", "main=/dev/disk/by-id/x=y"]).map(({ layout, device }) => [
      layout.name,
      device,
    ]),
    [
      ["main", "/dev/disk/by-id/x=y"],
      ["data", "/dev/sdb"],
    ],
  );
  for (const given of [
    ["/dev/sda"],
    ["main=/dev/sda"],
    ["main=/dev/sda", "main=/dev/sdb"],
    ["main=/dev/sda", "dat=/dev/sdb"],
  ]) {
    assert.throws(
      () => installTargets(two, given),
      (error) => error instanceof UserError && /--device main=\/dev\/… --device data=/.test(error.text),
      given.join(),
    );
  }
});
