import assert from "node:assert/strict";
import { test } from "node:test";
import { vmDiskLock } from "../../src/deploy/vm-disk.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { planWith } from "./host.ts";

test("the disk of a machine that runs is nobody else's, until it is off", async () => {
  await using folder = await temporaryFolder();
  {
    await using _ = await vmDiskLock(planWith(), folder.path);
    await assert.rejects(vmDiskLock(planWith(), folder.path), /test is already running/);
    await using _other = await vmDiskLock({ ...planWith(), hostName: "other" }, folder.path);
  }
  await using _ = await vmDiskLock(planWith(), folder.path);
});
