/** A store object is sent to a store on real btrfs that is read-only to everybody, as that of a running host. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, link, lutimes, mkdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { StoreObject } from "../../src/closure/closure.ts";
import { treeDigest } from "../../src/closure/store/digest.ts";
import { sendClosure } from "../../src/deploy/send-closure.ts";
import { run } from "../../src/local/process.ts";
import { mounted } from "../../src/local/resources.ts";
import { cutOff, flipped } from "../passing.ts";
import { sealed } from "../sealed.ts";
import { killedAfter } from "./killed-script.ts";
import { targetOf } from "./read-only-store.ts";
import { filesystem } from "./wipe-filesystem.ts";

test("an object arrives as it is, with names and permissions of every kind, the pristine root as a read-only subvolume", async () => {
  await using host = await testHost();
  await host.send();
  const arrived = join(host.nix, "store", host.name);
  assert.equal(await treeDigest(arrived), await treeDigest(host.closure.folder));
  assert.equal(await run("stat", ["-c", "%y %a", arrived]), await run("stat", ["-c", "%y %a", host.closure.folder]));
  assert.equal(await run("btrfs", ["property", "get", "-t", "subvol", join(arrived, "root"), "ro"]), "ro=true\n");
  assert.deepEqual(host.objects(), [host.name]);
});

test("one that is there whole stays as it is, and what other runs have left is removed", async () => {
  await using host = await testHost();
  await host.send();
  const before = await stat(join(host.nix, "store", host.name));
  await mkdir(join(host.nix, "store/.new-other"));
  await run("btrfs", ["subvolume", "create", join(host.nix, "store/.new-other/root")]);
  await run("btrfs", ["property", "set", "-t", "subvol", join(host.nix, "store/.new-other/root"), "ro", "true"]);
  await host.send();
  assert.equal((await stat(join(host.nix, "store", host.name))).ino, before.ino);
  assert.deepEqual(host.objects(), [host.name]);
});

test("one that is damaged there is replaced, and what runs from it goes on until it ends", async () => {
  await using host = await testHost();
  await host.send();
  const there = join(host.nix, "store", host.name);
  await changeByte(join(there, "set-id"));
  const runs = join(host.scratch, "runs");
  await mkdir(runs);
  {
    await using _ = await mounted(join(there, "root/etc"), runs, ["bind"]);
    await host.send();
    assert.equal(await treeDigest(there), host.name.slice(0, 32));
    await host.send();
    assert.equal(host.objects().length, 2);
    assert.equal(await readFile(join(runs, "-rf/--"), "utf8"), "root/etc/-rf/--");
  }
  await host.send();
  assert.deepEqual(host.objects(), [host.name]);
});

test("what is changed on its way, anywhere, is refused by the host, and the next time it comes", async () => {
  await using host = await testHost();
  const record = join(host.scratch, "record");
  await host.send(`tee ${record}`);
  const answers = answersIn(await readFile(record));
  assert.ok(answers.length > 3);
  for (const { offset, length } of answers) {
    for (const at of [offset + 6, offset + (length >> 1), offset + length - 1]) {
      await host.empty();
      await host.send(flipped(at)).then(
        async () => assert.equal(await treeDigest(join(host.nix, "store", host.name)), host.name.slice(0, 32)),
        (error) => assert.match(String(error), /come whole|did not arrive/),
      );
    }
  }
  await host.send();
  assert.deepEqual(host.objects(), [host.name]);
});

test("one that was changed in the cache is refused too: who sends is not who checks", async () => {
  await using host = await testHost();
  await changeByte(join(host.closure.folder, "root/etc/-rf/--"));
  await assert.rejects(host.send(), /in the cache is damaged/);
  assert.deepEqual(host.objects(), []);
});

test("a transfer that ends early, anywhere, gives nothing a name, and the next one goes on", async () => {
  await using host = await testHost();
  const record = join(host.scratch, "record");
  await host.send(`tee ${record}`);
  const { length } = await readFile(record);
  await host.empty();
  for (const part of [0, 0.005, 0.02, 0.5, 0.7]) {
    const bytes = Math.floor(part * length);
    await assert.rejects(host.send(cutOff(bytes)), /has not come whole: run it again/, `${bytes} bytes`);
    assert.deepEqual(host.objects(), [], `${bytes} bytes`);
  }
  await host.send(`tee ${record}`);
  assert.deepEqual(host.objects(), [host.name]);
  const left = (await readFile(record)).length;
  assert.ok(left < 0.7 * length, `${left} of ${length} bytes came a second time`);
  assert.equal(existsSync(join(host.nix, "nixfleet/pull")), false);
});

test("a disk that is full is an error that says so, and keeps nothing of it", async () => {
  await using host = await testHost({ large: 40 });
  await run("dd", ["if=/dev/urandom", `of=${host.nix}/filling`, "bs=1M", "count=430"]).catch(() => {});
  await assert.rejects(host.send(), /the disk is full/);
  assert.deepEqual(host.objects(), []);
  assert.equal(existsSync(join(host.nix, "nixfleet/pull")), false);
  await rm(join(host.nix, "filling"));
  await host.send();
  assert.deepEqual(host.objects(), [host.name]);
});

test("stopped before any of its commands, it leaves a whole object or none under its name, and goes on the next time", async () => {
  await using host = await testHost();
  const digest = await treeDigest(host.closure.folder);
  const programs = ["mount", "flock", "zstd", "perl", "mv", "btrfs", "rm", "sync"];
  for (let count = 0; ; count++) {
    const script = join(import.meta.dirname, "send-killed.ts");
    const argv = [process.execPath, script, host.closure.folder, host.closure.storePath, host.nix];
    const killed = await killedAfter(count, programs, host.scratch, argv);
    if (host.objects().includes(host.name)) assert.equal(await treeDigest(join(host.nix, "store", host.name)), digest);
    if (!killed) {
      assert.ok(count > 10, `only ${count} steps`);
      break;
    }
    await host.send();
    assert.equal(await treeDigest(join(host.nix, "store", host.name)), digest, `after ${count} steps`);
    assert.deepEqual(host.objects(), [host.name], `after ${count} steps`);
    await host.empty();
  }
});

async function testHost({ large = 0 } = {}) {
  const disk = await filesystem({ bare: true });
  const nix = join(disk.top, "nix");
  const store = join(nix, "store");
  await mkdir(store, { recursive: true });
  const unnamed = join(disk.scratch, "nixfleet-test");
  await makeClosure(unnamed);
  if (large > 0) await run("dd", ["if=/dev/urandom", `of=${unnamed}/large`, "bs=1M", `count=${large}`]);
  const name = await sealed(unnamed);
  const closure: StoreObject = { storePath: `/nix/store/${name}`, folder: join(disk.scratch, name) };
  return {
    closure,
    name,
    nix,
    scratch: disk.scratch,
    objects: () => readdirSync(store),
    send: (through = "cat", storePath = closure.storePath) =>
      sendClosure({ ...closure, storePath, packages: null, runtime: null }, targetOf(nix, through), { nixFolder: nix }),
    async empty() {
      if (!existsSync(join(store, name))) return;
      await run("btrfs", ["subvolume", "delete", join(store, name, "root")]);
      await run("rm", ["-r", join(store, name)]);
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

/** Where in what a builder has said the bodies of its answers are: see `fetchByPipe` in pull.pl. */
function answersIn(record: Buffer): { offset: number; length: number }[] {
  const found: { offset: number; length: number }[] = [];
  for (let offset = 0; offset < record.length; ) {
    const length = Number(record.subarray(offset, offset + 20).toString());
    offset += 20;
    if (length >= 0) found.push({ offset, length });
    offset += Math.max(length, 0);
  }
  return found;
}

/** Its time stays as it was. */
async function changeByte(file: string): Promise<void> {
  const { atime, mtime } = await stat(file);
  const content = await readFile(file);
  content[0] = (content[0] ?? 0) ^ 1;
  await writeFile(file, content);
  await utimes(file, atime, mtime);
}

async function makeClosure(folder: string): Promise<void> {
  const at = (path: string) => join(folder, path);
  await mkdir(at("root/etc/-rf"), { recursive: true });
  for (const name of ["cmdline", "root/etc/ 'quoted' \"twice\"\n*", "root/etc/ünï 😀", "root/etc/-rf/--", "set-id"]) {
    await writeFile(at(name), name);
  }
  await writeFile(at("set-id"), "unlikely words");
  await chown(at("root/etc/-rf"), 1234, 4321);
  await chmod(at("root/etc/-rf"), 0o2751);
  await chmod(at("set-id"), 0o4755);
  await link(at("set-id"), at("linked"));
  await symlink("../../outside", at("usr"));
  await symlink(".", at("root/etc/loop"));
  await run("setfattr", ["-n", "user.note", "-v", "kept", at("cmdline")]).catch(() => {}); // the tool, or the filesystem
  const past = new Date("2020-01-02T03:04:05.678Z");
  await lutimes(at("usr"), past, past);
  for (const path of ["root/etc/-rf/--", "root/etc", "root", "."]) await utimes(at(path), past, past);
}
