/** The harness itself: were it wrong about what a power cut leaves, it would show nothing. */
import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { releasedLoopDevice } from "../btrfs/released.ts";
import { seeded } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { afterPowerCut, type Blocks, type Leaves, readBlocks } from "./write-log.ts";

test("what was flushed outlasts a power cut, and of the rest there may be all, none or some", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "image");
  await run("truncate", ["--size", "1M", image]);
  const block = (letter: string) => Buffer.alloc(4096, letter);
  const base: Blocks = new Map([[9, block("z")]]);
  const requests = await recorded(image, folder.path, async ({ file }) => {
    await using loop = await releasedLoopDevice(file);
    const disk = openSync(loop.device, "r+");
    writeSync(disk, block("a"), 0, 4096, 0);
    fsyncSync(disk);
    writeSync(disk, block("b"), 0, 4096, 0);
    writeSync(disk, block("c"), 0, 4096, 2 * 4096);
    fsyncSync(disk);
    closeSync(disk);
  });
  const flushes = requests.flatMap(({ kind }, index) => (kind === "flush" ? [index] : []));
  assert.equal(flushes.length, 2);
  const [first = 0, second = 0] = flushes;
  const holds = (count: number, leaves: Leaves, seed = 1) =>
    [...afterPowerCut(base, requests, count, leaves, seeded(seed))]
      .sort(([a], [b]) => a - b)
      .map(([number, data]) => `${number}${String.fromCharCode(data[0] ?? 0)}`)
      .join(" ");
  assert.equal(holds(first, "none"), "9z");
  assert.equal(holds(first, "all"), "0a 9z");
  assert.equal(holds(first + 1, "none"), "0a 9z");
  assert.equal(holds(second, "none"), "0a 9z");
  assert.equal(holds(second, "all"), "0b 2c 9z");
  assert.equal(holds(second + 1, "none"), "0b 2c 9z");
  const some = new Set(Array.from({ length: 50 }, (_, seed) => holds(second, "some", seed)));
  assert.deepEqual([...some].sort(), ["0a 2c 9z", "0a 9z", "0b 2c 9z", "0b 9z"], "in any order");
  assert.deepEqual([...readBlocks(image)].map(([number, data]) => [number, data[0]]).sort(), [
    [0, 98],
    [2, 99],
  ]);
});

test("a power cut while the disk is in use leaves a record up to its last request", async () => {
  await using folder = await temporaryFolder();
  const image = join(folder.path, "image");
  await run("truncate", ["--size", "1M", image]);
  const kinds = async (use: (file: number) => void) => {
    const requests = await recorded(image, folder.path, async ({ file, cutPower }) => {
      const disk = openSync(file, "r+");
      use(disk);
      await cutPower();
      try {
        closeSync(disk);
      } catch {} // it is gone
    });
    return requests.map(({ kind }) => kind);
  };
  const block = Buffer.alloc(4096, "a");
  assert.deepEqual(await kinds(() => {}), []);
  assert.deepEqual(
    await kinds((disk) => {
      writeSync(disk, block);
      fsyncSync(disk);
      writeSync(disk, block);
    }),
    ["write", "flush", "write"],
  );
});
