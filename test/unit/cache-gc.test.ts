/** What `nixfleet gc --cache` deletes, and what it leaves. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Cache, openCache, remember } from "../../src/closure/store/cache.ts";
import { removeFromCache, unneededCache } from "../../src/closure/store/cache-gc.ts";
import { useCache, useCacheAlone } from "../../src/closure/store/cache-use.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const name = (letter: string, rest: string) => `${letter.repeat(32)}-${rest}`;
const OLD = name("1", "debian-trixie");
const NEW = name("2", "debian-trixie");

test("of each host the closures stay that were used last, with their packages, and what these came from", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(folder.path);
  await packages(cache, OLD, { tool: "1.0" });
  await packages(cache, NEW, { tool: "1:1.1~rc" });
  await closure(cache, name("a", "nixfleet-web"), OLD, 1000);
  await closure(cache, name("b", "nixfleet-web"), NEW, 3000);
  await closure(cache, name("c", "nixfleet-web"), OLD, 2000);
  await closure(cache, name("d", "nixfleet-mail"), NEW, 100);
  for (const [file, version] of [
    ["1.deb", "1.0"],
    ["2.deb", "1:1.1~rc"],
  ] as const)
    await deb(cache, file, version);

  const two = await unneededCache(cache, 2);
  assert.deepEqual(two, { objects: [name("a", "nixfleet-web")], debs: [], index: [name("a", "nixfleet-web")] });
  const one = await unneededCache(cache, 1);
  assert.deepEqual(one.objects.toSorted(), [OLD, name("a", "nixfleet-web"), name("c", "nixfleet-web")]);
  assert.ok(one.objects.indexOf(OLD) === 2, "closures go before their packages");
  assert.deepEqual(one.debs, ["1.deb"]);
  await removeFromCache(cache, one);
  assert.deepEqual((await readdir(cache.store)).sort(), [NEW, name("b", "nixfleet-web"), name("d", "nixfleet-mail")]);
  assert.deepEqual(await readdir(cache.debs), ["2.deb"]);
  assert.deepEqual((await unneededCache(cache, 1)).objects, []);
});

test("the runtime of a closure stays with it, and goes with it", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(folder.path);
  await packages(cache, NEW, {});
  for (const [letter, time] of [
    ["a", 1000],
    ["b", 2000],
  ] as const) {
    await closure(cache, name(letter, "nixfleet-web"), NEW, time);
    const runtime = name(letter, "runtime-amd64");
    await mkdir(join(cache.store, runtime));
    await symlink(`../${runtime}`, join(cache.store, name(letter, "nixfleet-web"), "runtime"));
  }
  const { objects } = await unneededCache(cache, 1);
  assert.deepEqual(objects, [name("a", "nixfleet-web"), name("a", "runtime-amd64")]);
});

test("while somebody takes objects from the cache, nobody deletes any, and afterwards they can", async () => {
  await using folder = await temporaryFolder();
  const cache = await openCache(folder.path);
  const program = [
    'const { openCache } = await import("./src/closure/store/cache.ts");',
    'const { useCache } = await import("./src/closure/store/cache-use.ts");',
    "await useCache(await openCache(process.argv[1]));",
    'console.log("used");',
    "setInterval(() => {}, 1000);",
  ].join("\n");
  const user = spawn(process.execPath, ["--input-type=module", "-e", program, folder.path], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(user.stdout, "data");
  await assert.rejects(useCacheAlone(cache), /is in use/);
  user.kill("SIGKILL");
  await once(user, "exit");
  for (let tries = 0; ; tries++) {
    const alone = await useCacheAlone(cache).catch((error) => assert.ok(tries < 100, String(error)));
    if (alone === undefined) continue;
    await alone[Symbol.asyncDispose]();
    break;
  }
});

test("a process that uses the cache ends when it is done", async () => {
  await using folder = await temporaryFolder();
  await useCache(await openCache(folder.path)); // else this test never ends
});

async function packages(cache: Cache, object: string, versions: Record<string, string>): Promise<void> {
  await mkdir(join(cache.store, object, "usr"), { recursive: true });
  const lines = Object.entries(versions).map(([one, version]) => `${one}\t${version}\n`);
  await writeFile(join(cache.store, object, "packages.list"), lines.join(""));
  await used(cache, object, 1);
}

async function closure(cache: Cache, object: string, needs: string, time: number): Promise<void> {
  await mkdir(join(cache.store, object));
  await symlink(`../${needs}/usr`, join(cache.store, object, "usr"));
  await used(cache, object, time);
}

async function used(cache: Cache, object: string, time: number): Promise<void> {
  await remember(cache, object, object);
  await utimes(join(cache.index, object), time, time);
}

async function deb(cache: Cache, file: string, version: string): Promise<void> {
  const tree = join(cache.folder, `tree-${file}`);
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  const fields = [`Package: tool`, `Version: ${version}`, "Architecture: all", "Maintainer: nobody <n@example.org>"];
  await writeFile(join(tree, "DEBIAN/control"), [...fields, "Description: a tool", ""].join("\n"));
  await run("dpkg-deb", ["--build", tree, join(cache.debs, file)]);
}
