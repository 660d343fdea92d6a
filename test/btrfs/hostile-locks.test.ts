/** A user of the machine would hold up whoever is root: by holding a lock, or by looking into what root makes. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { lockCache, openCache } from "../../src/closure/store/cache.ts";
import { vmDiskLock } from "../../src/deploy/vm-disk.ts";
import { makeImages } from "../../src/disk/image.ts";
import { GIB } from "../../src/layout/size.ts";
import { fileLock } from "../../src/local/file-lock.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { generationParameters, hostScript } from "../../src/payload/host/generations.ts";
import { planWith } from "../unit/host.ts";

const USER = "65534";

test("no user can hold a lock of the store's record, also one that an older version left open to all", async () => {
  await using host = await testHost();
  const old = join(host.nix, "nixfleet/lock");
  await mkdir(join(host.nix, "nixfleet"));
  await writeFile(old, "");
  await using _ = await heldBy(old, USER);
  assert.match(await host.gc().ended, /there is no generation/);
  assert.deepEqual(await openToUser(join(host.nix, "nixfleet/locks/record")), false);
  assert.equal((await stat(join(host.nix, "nixfleet/locks"))).mode & 0o777, 0o700);
});

test("who waits for the record says for which process, and goes on when that ends", async () => {
  await using host = await testHost();
  const lock = join(host.nix, "nixfleet/locks/record");
  await mkdir(join(host.nix, "nixfleet/locks"), { recursive: true });
  await writeFile(lock, `${process.pid}\n`);
  const holder = await heldBy(lock, "0");
  const gc = host.gc();
  await gc.says(new RegExp(`waiting for process ${process.pid} \\(.*node.*\\), which holds the lock ${lock}`));
  await holder[Symbol.asyncDispose]();
  assert.match(await gc.ended, /there is no generation/);
});

test("no user can hold the lock of a cache, nor of a fleet's machine, nor look at the disk of one", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const old = join(folder.path, "cache/lock");
  await mkdir(join(folder.path, "cache"));
  await writeFile(old, "");
  await using _old = await heldBy(old, USER);
  {
    await using _ = await lockCache(await openCache(join(folder.path, "cache")), () => {});
  }
  const state = join(folder.path, ".nixfleet/vm");
  await mkdir(state, { recursive: true, mode: 0o755 }); // as older versions made it
  await writeFile(join(state, "test.img"), "what persists");
  {
    await using _ = await vmDiskLock(planWith(), folder.path);
  }
  for (const path of ["cache/locks/build", ".nixfleet/vm/test.lock", ".nixfleet/vm/test.img"]) {
    assert.equal(await openToUser(join(folder.path, path)), false, path);
  }
});

test("an image is its owner's alone, while it is made and when it is whole", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const image = join(folder.path, "disk.raw");
  const [layout] = planWith().disk.disks;
  assert.ok(layout);
  await makeImages([{ layout, file: image, size: 2 * GIB }], async () => {
    assert.equal(await openToUser(`${image}.partial`), false);
  });
  assert.equal(await openToUser(image), false);
});

test("who waits for a lock here says for which process", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "locks/one");
  const first = await fileLock(path);
  assert.equal(await readFile(path, "utf8"), `${process.pid}\n`);
  const said = Promise.withResolvers<string>();
  const second = fileLock(path, said.resolve);
  assert.match(await said.promise, new RegExp(`^process ${process.pid} \\(.*\\), which holds ${path}$`));
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
});

async function testHost() {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const nix = join(folder.path, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  await symlink("nothing", join(nix, "store/.new-none"));
  const conf = join(folder.path, "conf");
  await writeFile(conf, generationParameters(planWith(), { nix, esps: [], grub: null, kernelCommandLine: null }));
  return {
    nix,
    gc() {
      const child = spawn("sh", [hostScript("gc"), "--conf", conf], { stdio: ["ignore", "ignore", "pipe"] });
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
      });
      return {
        ended: once(child, "close").then(() => stderr),
        async says(what: RegExp) {
          while (!what.test(stderr)) await once(child.stderr, "data");
        },
      };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** As a user who waits for nothing: for as long as the scope. */
async function heldBy(file: string, uid: string): Promise<AsyncDisposable> {
  const argv = ["--reuid", uid, "--clear-groups", "--", "flock", "--no-fork", file, "sh", "-c", "echo held; cat"];
  const child = spawn("setpriv", argv, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "close");
      child.stdin.end();
      await ended;
    },
  };
}

async function openToUser(path: string): Promise<boolean> {
  await run("test", ["-e", path]);
  return (
    spawnSync("setpriv", ["--reuid", USER, "--clear-groups", "--", "flock", "--nonblock", path, "true"]).status === 0
  );
}
