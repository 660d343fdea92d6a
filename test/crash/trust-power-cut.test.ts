/** The power fails while a host remembers what it has seen signed, on a real btrfs: what is there then is the old or the new. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { run } from "../../src/local/process.ts";
import { mounted, mountFolder, temporaryFolder } from "../../src/local/resources.ts";
import { readRelease, startTrust } from "../../src/release/read.ts";
import { releasedLoopDevice } from "../btrfs/released.ts";
import { aRelease, keys, SignedRepository } from "../release/signed-repository.ts";
import { committing } from "./committing.ts";
import { chooseCuts } from "./cuts.ts";
import { MEMORY } from "./power-cut.ts";
import { SEED, seeded } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { afterPowerCut, readBlocks, writeBlocks } from "./write-log.ts";

const SIZE = 144 * 2 ** 20;
const CUTS = 60;
const RELEASES = 6;

test("a power cut leaves what a host trusts as it was before the last change, or as it is now", async () => {
  await using folder = await temporaryFolder(MEMORY);
  const image = join(folder.path, "image");
  await run("truncate", ["--size", `${SIZE}`, image]);
  await run("mkfs.btrfs", ["--quiet", image]);
  const repository = new SignedRepository(join(folder.path, "repository"));
  const made = keys();
  const root = repository.root(made, { version: 1, by: made.root });
  const releases = Array.from({ length: RELEASES }, (_, index) => aRelease(index + 1));
  const mirrors = [pathToFileURL(repository.folder).href];

  const on = async <T>(file: string, work: (state: string) => Promise<T>): Promise<T> => {
    await using loop = await releasedLoopDevice(file);
    await using under = await mountFolder(folder.path);
    await using _mounted = await mounted(loop.device, under.path);
    return await work(join(under.path, "state"));
  };
  const text = (state: string) => readFileSync(join(state, "trust"), "utf8");

  const texts = [
    await on(image, async (state) => {
      await startTrust({ state, root });
      return text(state);
    }),
  ];
  const base = readBlocks(image);
  const requests = await recorded(image, folder.path, async ({ file }) => {
    await on(file, async (state) => {
      // Others write to the disk meanwhile, so that it is brought up to date at any moment.
      await using _others = committing(state);
      for (const [index, release] of releases.entries()) {
        repository.all(releases.slice(0, index + 1), index + 1, made);
        await readRelease({ state, mirrors, release: release.id });
        texts.push(text(state));
      }
    });
  });

  const seen = new Set<number>();
  const random = seeded(SEED);
  const all = chooseCuts({ requests }, CUTS, random);
  const every = Math.ceil(all.length / CUTS);
  for (const { count, leaves } of all.filter((_, index) => index % every === 0)) {
    const cut = join(folder.path, "cut");
    writeBlocks(afterPowerCut(base, requests, count, leaves, random), cut, SIZE);
    await on(cut, async (state) => {
      const found = texts.indexOf(text(state));
      assert.ok(found >= 0, `after ${count} of ${requests.length} requests, ${leaves} left`);
      const last = releases.at(-1);
      if (!seen.has(found) && last) assert.deepEqual(await readRelease({ state, mirrors, release: last.id }), last);
      seen.add(found);
    });
    await run("rm", [cut]);
  }
  assert.ok(seen.size > 3, "many of them were met");
});
