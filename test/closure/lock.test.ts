import assert from "node:assert/strict";
import { chown, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { fetchPackages } from "../../src/closure/lock/fetch.ts";
import { LOCK_FILE, type LockEntry, readLock, writeLock } from "../../src/closure/lock/lock.ts";
import { writeRepository } from "../../src/closure/lock/repository.ts";
import { lockIds, lockRequest, updateLock } from "../../src/closure/lock/update.ts";
import { openCache } from "../../src/closure/store/cache.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { withOwnFiles } from "../../src/deploy/own-files.ts";
import { ProblemsError, UserError } from "../../src/errors.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
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
    packages: { ...SMALL_HOST.packages, archive: [line], archiveOnly: true, packages: names, locales: [] },
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
  await assert.rejects(
    at.lock(at.plan("treee")),
    says(/trixie \(amd64\) has no package named treee/, /did you mean tree\?/),
  );

  const entry = await at.lock(at.plan("tree"));
  await at.archive([{ name: "tree", version: "1", text: "other content" }]);
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/different content/, /tree 1/, /nixfleet update/),
  );
  await at.archive([{ name: "tree", version: "2" }]);
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/no longer in the cache or in the archive/, /tree 1/, /nixfleet update/, /snapshot/),
  );
  await rm(join(at.options.fleetFolder, "archive"), { recursive: true });
  await assert.rejects(
    fetchPackages(entry, at.cache, () => {}),
    says(/cannot download the package indexes of trixie/, /network/),
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

test("builds of one fleet at the same time, each with a cache of its own, lose nothing of each other's locks", async () => {
  await using at = await scene(["a0", "a1", "a2", "a3"].map((name) => ({ name, version: "1" })));
  const builds = [0, 1, 2, 3].map(async (index) => {
    const cache = await openCache(join(at.options.fleetFolder, `cache-${index}`));
    const { fleetFolder } = at.options;
    const entries = [await lockRequest(at.plan(`a${index}`), { fleetFolder }, cache, () => {})];
    // The same for all: the first to lock it says what it is.
    entries.push(await lockRequest(at.plan("a0", "a1"), { fleetFolder }, cache, () => {}));
    const ids = await lockIds({ users: { [`u${index}`]: 999, both: 998 }, groups: {} }, fleetFolder);
    return { entries, both: ids.users.both };
  });
  const built = await Promise.all(builds);
  const lock = await readLock(at.options.fleetFolder);
  assert.equal(Object.keys(lock.requests).length, 5);
  assert.deepEqual(Object.keys(lock.ids.users), ["both", "u0", "u1", "u2", "u3"]);
  for (const { entries, both } of built) {
    assert.equal(both, lock.ids.users.both);
    for (const entry of entries) assert.ok(Object.values(lock.requests).some((one) => isDeepStrictEqual(one, entry)));
  }
});

test("a lock that says another version than its package has, is refused before it is installed", async () => {
  await using at = await scene([{ name: "tree", version: "1" }]);
  const entry = await at.lock(at.plan("tree"));
  await fetchPackages(entry, at.cache, () => {});
  const changed = entry.packages.map((one) => (one.name === "tree" ? { ...one, version: "2" } : one));
  await assert.rejects(
    writeRepository(join(at.options.fleetFolder, "repository"), "trixie", changed, at.cache),
    says(/nixfleet.lock says tree 2 amd64, but the package with its hash is tree 1 amd64/, /version control/),
  );
});

test("the lock is read back as it was written", async () => {
  await using at = await scene([{ name: "tree", version: "1:1.0~rc1+b1" }]);
  await at.lock(at.plan("tree"));
  const lock = await readLock(at.options.fleetFolder);
  await writeLock(at.options.fleetFolder, lock);
  assert.deepEqual(await readLock(at.options.fleetFolder), lock);
});

test("an update refuses to make a package older, names it, and changes nothing, unless that is wanted", async () => {
  await using at = await scene([{ name: "tree", version: "1:2.10" }]);
  await at.lock(at.plan("tree"));
  const before = await readFile(join(at.options.fleetFolder, "nixfleet.lock"), "utf8");
  await at.archive([{ name: "tree", version: "1:2.9" }]);
  await assert.rejects(
    updateLock([at.plan("tree")], at.options),
    says(/a package would become older/, /tree from 1:2\.10 to 1:2\.9/, /--allow-older/),
  );
  assert.equal(await readFile(join(at.options.fleetFolder, "nixfleet.lock"), "utf8"), before);
  const changes = await updateLock([at.plan("tree")], { ...at.options, allowOlder: true });
  assert.deepEqual(changes, [{ name: "tree", from: "1:2.10", to: "1:2.9" }]);
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
  await assert.rejects(updateLock([both], at.options), says(/cannot download the package indexes of trixie/));
});

test("a package file of the fleet's own is locked by its hash, with what it depends on, and wins over an archive's", async () => {
  await using at = await scene([
    { name: "tree", version: "1" },
    { name: "mine", version: "9" },
  ]);
  const { fleetFolder } = at.options;
  const deb = async (version: string, architecture: string) => {
    const tree = join(fleetFolder, "making");
    await mkdir(join(tree, "DEBIAN"), { recursive: true });
    const control = `Package: mine\nVersion: ${version}\nArchitecture: ${architecture}\nDepends: tree\nMaintainer: n <n@example.org>\nDescription: x\n`;
    await writeFile(join(tree, "DEBIAN/control"), control);
    await run("dpkg-deb", ["--build", "--root-owner-group", tree, join(fleetFolder, "mine.deb")]);
    return planOfOwn();
  };
  const planOfOwn = () => withOwnFiles({ ...at.plan(), own: { sources: [], debs: ["mine.deb"] } }, fleetFolder);
  const first = await at.lock(await deb("1", "all"));
  assert.deepEqual([versionOf(first, "mine"), versionOf(first, "tree")], ["1", "1"]);
  await fetchPackages(first, at.cache, () => {});
  assert.deepEqual(await at.lock(planOfOwn()), first);
  const second = await at.lock(await deb("2", "amd64"));
  assert.deepEqual([versionOf(second, "mine"), versionOf(second, "tree")], ["2", "1"]);
  await assert.rejects(at.lock(await deb("2", "arm64")), says(/mine\.deb is for arm64, and the host is amd64/));
  await writeFile(join(fleetFolder, "mine.deb"), "no package");
  await assert.rejects(at.lock(planOfOwn()), says(/mine\.deb is no Debian package/));
  const stale = planOfOwn();
  await writeFile(join(fleetFolder, "mine.deb"), "another");
  await assert.rejects(at.lock(stale), says(/mine\.deb was changed while the host was built/));
});

test("a package that does not exist, and two that conflict, are said with the line that declares them, before anything is built", async () => {
  const packages = [
    { name: "tree", version: "1" },
    { name: "leaf", version: "1", fields: ["Conflicts: tree"] },
  ];
  await using at = await scene(packages);
  const built = async (...names: string[]) => {
    const host = mkHost({
      hostName: "test",
      platform: "x86_64-linux",
      hostSpec: { userName: "alice" },
      modules: [diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }), { environment: { systemPackages: names } }],
    });
    const plan = { ...host.plan(), packages: at.plan(...names).packages };
    const error = await buildHost(plan, { ...at.options, definedAt: (option) => host.definedAt(option) }).then(
      () => assert.fail("it was built"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof ProblemsError, String(error));
    for (const { at: places } of error.problems) assert.match(places.join(), /^[^,]*lock\.test\.ts:\d+$/);
    return error.text;
  };
  const unknown = await built("tre", "leaves-of-grass");
  assert.match(unknown, /no package named tre\n.*lock\.test\.ts:\d+\n.*did you mean tree\?/);
  assert.match(unknown, /no package named leaves-of-grass/);
  assert.match(await built("tree", "leaf"), /leaf : Conflicts: tree/);
});
