import assert from "node:assert/strict";
import { chown, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openCache } from "../../src/closure/cache.ts";
import { fetchPackages } from "../../src/closure/fetch.ts";
import { LOCK_FILE, type LockEntry, readLock, writeLock } from "../../src/closure/lock.ts";
import { lockRequest, updateLock } from "../../src/closure/update.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { UserError } from "../../src/modules/errors.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { type SmallPackage, signArchive, writeArchive } from "./archive.ts";
import { SMALL_HOST } from "./host-plan.ts";

/** What every closure asks for. */
const ALWAYS = ["btrfs-progs", "dracut", "systemd-sysv", "udev", "zstd"].map((name) => ({ name, version: "1" }));

async function scene(packages: readonly SmallPackage[]) {
  const folder = await temporaryFolder();
  const cache = await openCache(join(folder.path, "cache"));
  const archive = async (now: readonly SmallPackage[]) =>
    writeArchive(join(folder.path, "archive"), [...ALWAYS, ...now]);
  const line = await archive(packages);
  const plan = (...names: string[]): HostPlan => ({
    ...SMALL_HOST,
    packages: { ...SMALL_HOST.packages, archive: [line], packages: names, locales: [] },
  });
  const options = { fleetFolder: folder.path, cache: cache.folder };
  return {
    archive,
    plan,
    cache,
    options,
    lock: (wanted: HostPlan) => lockRequest(wanted, options, cache, () => {}),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function versionOf(entry: LockEntry | undefined, name: string): string | undefined {
  return entry?.packages.find((one) => one.name === name)?.version;
}

function says(...parts: readonly RegExp[]) {
  return (error: unknown) => {
    assert.ok(error instanceof UserError, String(error));
    for (const part of parts) assert.match(error.text, part);
    return true;
  };
}

test("a lock that root writes belongs to whom the fleet's folder belongs to", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  await chown(at.options.fleetFolder, 1234, 1235);
  await at.lock(at.plan("tree"));
  const { uid, gid } = await stat(join(at.options.fleetFolder, LOCK_FILE));
  assert.deepEqual([uid, gid], [1234, 1235]);
});

test("a locked version stays when the archive moves on, until an update", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  const first = await at.lock(at.plan("tree"));
  assert.equal(versionOf(first, "tree"), "1");
  const text = await readFile(join(at.options.fleetFolder, LOCK_FILE), "utf8");

  await at.archive([{ name: "tree", version: "2" }]);
  assert.deepEqual(await at.lock(at.plan("tree")), first);
  assert.equal(await readFile(join(at.options.fleetFolder, LOCK_FILE), "utf8"), text);

  assert.deepEqual(await updateLock([at.plan("tree")], at.options), [{ name: "tree", from: "1", to: "2" }]);
  assert.equal(versionOf(await at.lock(at.plan("tree")), "tree"), "2");
});

test("an update that finds nothing new leaves the lock byte for byte", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  await at.lock(at.plan("tree"));
  const text = await readFile(join(at.options.fleetFolder, LOCK_FILE), "utf8");
  assert.deepEqual(await updateLock([at.plan("tree")], at.options), []);
  assert.equal(await readFile(join(at.options.fleetFolder, LOCK_FILE), "utf8"), text);
});

test("one package more does not move those that are locked, from the archive or from the cache", async () => {
  await using at = await scene([
    { name: "tree", version: "1" },
    { name: "less", version: "1" },
  ]);
  const first = await at.lock(at.plan("tree"));
  await fetchPackages(first, at.cache, () => {});
  await at.archive([
    { name: "tree", version: "2" },
    { name: "less", version: "2" },
  ]);
  const second = await at.lock(at.plan("less", "tree"));
  assert.equal(versionOf(second, "tree"), "1", "only the cache has it");
  assert.equal(versionOf(second, "less"), "2");
  assert.deepEqual(
    second.packages.find((one) => one.name === "tree"),
    first.packages.find((one) => one.name === "tree"),
  );
});

test("a request that no host of the fleet makes any more leaves the lock with the next one that is added", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  const [before, after] = [at.plan(), at.plan("tree")];
  await at.lock(before);
  await lockRequest(after, { ...at.options, fleet: [after] }, at.cache, () => {});
  assert.equal(Object.keys((await readLock(at.options.fleetFolder)).requests).length, 1);
});

test("packages that cannot be had are named, with a way out", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  await assert.rejects(at.lock(at.plan("treee")), says(/trixie \(amd64\) has no package named treee/, /spelling/));

  const entry = await at.lock(at.plan("tree"));
  await at.archive([{ name: "tree", version: "1", text: "other content" }]);
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/other content/, /tree 1/, /nixfleet update/),
  );
  await at.archive([{ name: "tree", version: "2" }]);
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/neither in the cache nor in the archive/, /tree 1/, /nixfleet update/, /snapshot/),
  );
  await rm(join(at.options.fleetFolder, "archive"), { recursive: true });
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/indexes of trixie could not be downloaded/, /network/),
  );
});

test("a package whose bytes changed in the cache is not used but fetched again", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  const entry = await at.lock(at.plan("tree"));
  await fetchPackages(entry, at.cache, () => {});
  const tree = entry.packages.find((one) => one.name === "tree");
  assert.ok(tree);
  const file = join(at.cache.debs, `${tree.sha256}.deb`);
  const bytes = await readFile(file);
  await writeFile(file, Buffer.alloc(bytes.length));
  await fetchPackages(entry, at.cache, () => {});
  assert.deepEqual(await readFile(file), bytes);
});

test("the lock is read back as it was written", async () => {
  await using at = await scene([{ name: "tree", version: "1:1.0~rc1+b1" }]);
  await at.lock(at.plan("tree"));
  const lock = await readLock(at.options.fleetFolder);
  await writeLock(at.options.fleetFolder, lock);
  assert.deepEqual(await readLock(at.options.fleetFolder), lock);
});

test("a vendor's archive beside Debian's is believed if its own key signs it, and not if another does", async () => {
  await using at = await scene([]);
  await using vendor = await temporaryFolder();
  const folder = join(vendor.path, "archive");
  await writeArchive(folder, [{ name: "tailscale", version: "1" }]);
  const line = await signArchive(folder, join(vendor.path, "keys"));
  const plan = at.plan("tailscale");
  const both = { ...plan, packages: { ...plan.packages, archive: [...plan.packages.archive, line] } };
  assert.equal(versionOf(await at.lock(both), "tailscale"), "1");

  await signArchive(folder, join(vendor.path, "other-keys"));
  await assert.rejects(updateLock([both], at.options), says(/package indexes of trixie could not be downloaded/));
});
