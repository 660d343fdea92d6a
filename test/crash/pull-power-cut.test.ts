/**
 * Power cuts while a host pulls: on what is left of the disk each object that has a name is whole, and the next pull comes to its
 * end. `NIXFLEET_SEED=N` repeats the cuts, `NIXFLEET_CUTS=N` sets how many.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Closure, objectsOf } from "../../src/closure/closure.ts";
import { CONTENTS_PROGRAM, objectDifferences } from "../../src/closure/store/digest.ts";
import { run } from "../../src/local/process.ts";
import { mounted, temporaryFolder } from "../../src/local/resources.ts";
import { PULL_FILES } from "../../src/payload/host/generations.ts";
import { releasedLoopDevice } from "../btrfs/released.ts";
import { nameOf, published, testClosure } from "../content/closures.ts";
import { type Mirror, mirror } from "../content/mirror.ts";
import { committing } from "./committing.ts";
import { chooseCuts } from "./cuts.ts";
import { MEMORY } from "./power-cut.ts";
import { SEED, seeded } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { afterPowerCut, readBlocks, writeBlocks } from "./write-log.ts";

const CUTS = Number(process.env.NIXFLEET_CUTS ?? 26);
const MEGABYTES = 144;

describe("after a power cut while a host pulls, nothing has a name that is not whole, and the next pull goes on:", () => {
  for (const commits of ["by itself", "all the time"] as const) {
    test(`committed ${commits}`, { timeout: 600_000 }, async (t) => {
      t.diagnostic(`NIXFLEET_SEED=${SEED}`);
      await using folder = await temporaryFolder(MEMORY);
      const store = join(folder.path, "store");
      const repository = join(folder.path, "repository");
      const [first, second] = [await testClosure(store, "first"), await testClosure(store, "second")];
      for (const closure of [first, second]) await published(closure, repository);
      await using site = await mirror(repository);

      const image = join(folder.path, "image");
      await run("truncate", ["--size", `${MEGABYTES}M`, image]);
      await run("mkfs.btrfs", ["--quiet", image]);
      await onDisk(image, async (nix) => {
        await mkdir(join(nix, "store"), { recursive: true });
        await pull(first, nix, site);
      });
      const base = readBlocks(image);
      const requests = await recorded(image, folder.path, ({ file }) =>
        onDisk(file, async (nix) => {
          await using _ = commits === "by itself" ? null : committing(nix);
          await pull(second, nix, site);
        }),
      );

      const namesOf = (closure: Closure) => objectsOf(closure).map(nameOf);
      const had = namesOf(first).sort();
      const states = new Set<number>();
      for (const [index, { count, leaves }] of chooseCuts({ requests }, CUTS, seeded(SEED)).entries()) {
        const where = `cut ${index}, after ${count} of ${requests.length} requests, ${leaves} of the unflushed left`;
        const cut = join(folder.path, "cut");
        writeBlocks(afterPowerCut(base, requests, count, leaves, seeded(SEED + index)), cut, MEGABYTES * 2 ** 20);
        await onDisk(cut, async (nix) => {
          const names = readdirSync(join(nix, "store")).filter((name) => /^[0-9a-z]{32}-/.test(name));
          assert.deepEqual(names.filter((name) => had.includes(name)).sort(), had, where);
          states.add(names.length);
          await areWhole(nix, names, where);
          await pull(second, nix, site);
          await areWhole(nix, [...had, ...namesOf(second)], where);
          assert.deepEqual(readdirSync(join(nix, "nixfleet")).sort(), ["locks", "whole"], where);
        });
      }
      t.diagnostic(`${requests.length} requests; objects that had a name: ${[...states].sort().join(", ")}`);
      assert.ok(
        states.has(had.length) && states.has(2 * had.length),
        "cuts before the first object has its name, and after the last has",
      );
    });
  }
});

async function pull(closure: Closure, nix: string, { url }: Mirror): Promise<void> {
  const env = { NIX: nix, CONTENTS: CONTENTS_PROGRAM };
  await run("sh", [PULL_FILES["pull.sh"] ?? "", closure.storePath, url], { env });
}

async function areWhole(nix: string, names: readonly string[], where: string): Promise<void> {
  for (const name of names) assert.deepEqual(await objectDifferences(join(nix, "store", name), name), [], where);
}

async function onDisk(image: string, use: (nix: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await using loop = await releasedLoopDevice(image);
  await using _ = await mounted(loop.device, folder.path);
  const nix = join(folder.path, "nix");
  await use(nix);
}
