/** A store object is sent to a store on real btrfs that is read-only to everybody, as that of a running host. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { chmod, chown, link, lutimes, mkdir, readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { StoreObject } from "../../src/closure/closure.ts";
import { treeDigest } from "../../src/closure/digest.ts";
import { sendObject } from "../../src/deploy/send-object.ts";
import { run } from "../../src/machine/process.ts";
import { killedAfter } from "./killed-script.ts";
import { targetOf } from "./read-only-store.ts";
import { filesystem } from "./wipe-filesystem.ts";

test("an object arrives as it is, with names and permissions of every kind, the pristine root as a read-only subvolume", async () => {
  await using host = await testHost();
  await sendObject(host.closure, host.target(), host.nix);
  const arrived = join(host.nix, "store", host.name);
  assert.equal(await treeDigest(arrived), await treeDigest(host.closure.folder));
  assert.equal(await run("stat", ["-c", "%y %a", arrived]), await run("stat", ["-c", "%y %a", host.closure.folder]));
  assert.equal(await run("btrfs", ["property", "get", "-t", "subvol", join(arrived, "root"), "ro"]), "ro=true\n");
  assert.deepEqual(host.objects(), [host.name]);
});

test("one that is there stays as it is, and what other runs have left is removed", async () => {
  await using host = await testHost();
  await mkdir(join(host.nix, "store", host.name));
  await mkdir(join(host.nix, "store/.new-other"));
  await run("btrfs", ["subvolume", "create", join(host.nix, "store/.new-other/root")]);
  await run("btrfs", ["property", "set", "-t", "subvol", join(host.nix, "store/.new-other/root"), "ro", "true"]);
  await sendObject(host.closure, host.target(), host.nix);
  assert.deepEqual(await readdir(join(host.nix, "store", host.name)), []);
  assert.deepEqual(host.objects(), [host.name]);
});

test("a transfer that ends early, anywhere, leaves nothing", async () => {
  await using host = await testHost();
  for (const bytes of [0, 300, 512, 5120, 20_480]) {
    const send = sendObject(host.closure, host.target(`head -c ${bytes} |`), host.nix);
    await assert.rejects(send, /did not arrive whole|^UserError: tar: /, `${bytes} bytes`);
    assert.deepEqual(host.objects(), [], `${bytes} bytes`);
  }
  await sendObject(host.closure, host.target(), host.nix);
  assert.deepEqual(host.objects(), [host.name]);
});

test("a disk that is full is an error that says so, and keeps nothing of it", async () => {
  await using host = await testHost();
  await run("dd", ["if=/dev/urandom", `of=${host.closure.folder}/large`, "bs=1M", "count=300"]);
  await assert.rejects(sendObject(host.closure, host.target(), host.nix), /the disk is full/);
  assert.deepEqual(host.objects(), []);
});

test("stopped before any of its commands, it leaves a whole object or none under its name, and goes on the next time", async () => {
  await using host = await testHost();
  const digest = await treeDigest(host.closure.folder);
  const programs = ["mount", "flock", "mkdir", "tar", "find", "stat", "mv", "btrfs", "cp", "rm", "touch", "sync"];
  for (let count = 0; ; count++) {
    const script = join(import.meta.dirname, "receive-killed.ts");
    const argv = [process.execPath, script, host.closure.folder, host.closure.storePath, host.nix];
    const killed = await killedAfter(count, programs, host.scratch, argv);
    if (host.objects().includes(host.name)) assert.equal(await treeDigest(join(host.nix, "store", host.name)), digest);
    if (!killed) {
      assert.ok(count > 10, `only ${count} steps`);
      break;
    }
    await sendObject(host.closure, host.target(), host.nix);
    assert.equal(await treeDigest(join(host.nix, "store", host.name)), digest, `after ${count} steps`);
    assert.deepEqual(host.objects(), [host.name], `after ${count} steps`);
    await host.empty();
  }
});

test("what is not the name of an object is refused", async () => {
  await using host = await testHost();
  for (const name of ["..", ".new-x", ".lock"]) {
    const object = { ...host.closure, storePath: `/nix/store/${name}` };
    await assert.rejects(sendObject(object, host.target(), host.nix), /is not the name of a store object/, name);
  }
  assert.deepEqual(host.objects(), []);
});

async function testHost() {
  const disk = await filesystem({ bare: true });
  const nix = join(disk.top, "nix");
  const store = join(nix, "store");
  await mkdir(store, { recursive: true });
  const name = `${"c".repeat(32)}-nixfleet-test`;
  const closure: StoreObject = { storePath: `/nix/store/${name}`, folder: join(disk.scratch, name) };
  await makeClosure(closure.folder);
  return {
    closure,
    name,
    nix,
    scratch: disk.scratch,
    objects: () => readdirSync(store).filter((one) => one !== ".lock"),
    target: (through = "") => targetOf(nix, through),
    async empty() {
      await run("btrfs", ["subvolume", "delete", join(store, name, "root")]);
      await run("rm", ["-r", join(store, name)]);
    },
    [Symbol.asyncDispose]: () => disk[Symbol.asyncDispose](),
  };
}

async function makeClosure(folder: string): Promise<void> {
  const at = (path: string) => join(folder, path);
  await mkdir(at("root/etc/-rf"), { recursive: true });
  for (const name of ["cmdline", "root/etc/ 'quoted' \"twice\"\n*", "root/etc/ünï 😀", "root/etc/-rf/--", "set-id"]) {
    await writeFile(at(name), name);
  }
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
