import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  defaultCacheFolder,
  lockCache,
  lookUp,
  openCache,
  remember,
  unfinishedFolder,
} from "../../src/closure/store/cache.ts";
import { diskFull } from "../../src/closure/store/disk-full.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("the cache is where the environment says", () => {
  assert.equal(defaultCacheFolder({ NIXFLEET_CACHE: "/a", XDG_CACHE_HOME: "/b" }), "/a");
  assert.equal(defaultCacheFolder({ XDG_CACHE_HOME: "/b" }), "/b/nixfleet");
  assert.match(defaultCacheFolder({}), /\/\.cache\/nixfleet$/);
});

test("a folder in which no cache can be made is named", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "file"), "");
  await assert.rejects(openCache(join(folder.path, "file/cache")), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.text, /cannot write to the cache \S+file\/cache[\s\S]*NIXFLEET_CACHE/);
    return true;
  });
});

test("what a dead build left half made is removed by the next, and never found", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(join(folder.path, "cache"));
  const dead = await unfinishedFolder(cache.store);
  await mkdir(join(dead.path, "tree"));
  await writeFile(join(cache.index, ".new-abc"), "half");
  await remember(cache, "inputs", "a-name-whose-object-was-never-finished");
  assert.equal(await lookUp(cache, "inputs"), null);
  {
    await using _ = await lockCache(cache, () => {});
    assert.deepEqual(await readdir(cache.store), []);
    assert.deepEqual(await readdir(cache.index), ["inputs"]);
  }
});

test("an object has its name only when it is finished, and the first to take a name keeps it", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(join(folder.path, "cache"));
  const target = join(cache.store, "object");
  for (const content of ["first", "second"]) {
    await using work = await unfinishedFolder(cache.store);
    await mkdir(join(work.path, "tree"));
    await writeFile(join(work.path, "tree/file"), content);
    assert.equal(existsSync(target), content === "second");
    await work.finish("tree", target);
  }
  assert.equal(await readFile(join(target, "file"), "utf8"), "first");
  assert.deepEqual(await readdir(cache.store), ["object"]);
});

test("what is made and then fails leaves nothing, even of folders without permissions", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(join(folder.path, "cache"));
  const failing = async (): Promise<void> => {
    await using work = await unfinishedFolder(cache.store);
    await mkdir(join(work.path, "tree"));
    await chmod(join(work.path, "tree"), 0o555);
    throw new Error("failed");
  };
  await assert.rejects(failing(), /failed/);
  assert.deepEqual(await readdir(cache.store), []);
});

test("one build at a time holds the cache, also when another is killed", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(join(folder.path, "cache"));
  const module = join(import.meta.dirname, "../../src/closure/store/cache.ts");
  const script = `import { lockCache, openCache } from ${JSON.stringify(module)};
    await lockCache(await openCache(process.argv[1]), () => {}); console.log("held"); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ["--input-type=module", "--eval", script, "--", cache.folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(other.stdout, "data");
    let waited = false;
    let held = false;
    const mine = lockCache(cache, () => {
      waited = true;
      assert.equal(held, false);
      other.kill("SIGKILL");
    }).then((lock) => {
      held = true;
      return lock;
    });
    await using _ = await mine;
    assert.ok(waited, "it did not wait for the other");
  } finally {
    other.kill("SIGKILL");
  }
});

test("a full disk is said in one way, whoever found it, and nothing else is", () => {
  const full = new UserError("dpkg failed (exit 2)", ["command: dpkg", "cannot copy: No space left on device"]);
  for (const error of [
    full,
    new SuppressedError(new Error("rm failed"), full),
    new Error("ENOSPC: no space left on device, write"),
    new UserError("apt-get failed", ["E: You don't have enough free space in /x."]),
  ]) {
    assert.match(diskFull(error)?.text ?? "", /^the disk is full\n[\s\S]*NIXFLEET_CACHE/);
  }
  assert.equal(diskFull(new UserError("space: the final frontier")), null);
  assert.equal(diskFull("text"), null);
});
