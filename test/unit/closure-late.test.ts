import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { refuseLate } from "../../src/closure/tree/host-object.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { planWith } from "./host.ts";

test("what only the running host mounts hides nothing that packages ship; homes are made there, and an ESP is its own", async () => {
  await using root = await temporaryFolder();
  const plan = (mountpoint: string, neededForBoot = false) =>
    planWith(
      { users: { users: { bob: { home: "/srv/homes/bob" } } } },
      {
        disko: {
          devices: {
            disk: {
              main: {
                content: { partitions: { root: { content: { subvolumes: { "@x": { mountpoint, neededForBoot } } } } } },
              },
            },
          },
        },
      },
    );
  for (const folder of ["home/alice", "srv/homes/bob", "var/spool/cron", "boot/loader"]) {
    await mkdir(join(root.path, folder), { recursive: true });
  }
  for (const mountpoint of ["/home", "/srv", "/var/lib/postgresql", "/var/spool/cron"]) {
    refuseLate(plan(mountpoint), root.path);
  }
  assert.throws(
    () => refuseLate(plan("/var/spool"), root.path),
    /mounted on \/var\/spool would hide what packages ship/,
  );
  refuseLate(plan("/var/spool", true), root.path);
  await writeFile(join(root.path, "srv/homes/index"), "");
  assert.throws(() => refuseLate(plan("/srv"), root.path), /mounted on \/srv would hide/);
});
