/** A content repository: written by several, killed at any moment, made smaller. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { listedFiles } from "../../src/content/changes.ts";
import { contentPath } from "../../src/content/paths.ts";
import { referencesIn } from "../../src/content/publish.ts";
import { openRepository } from "../../src/content/repository.ts";
import { removeUnneeded, unneeded } from "../../src/content/repository-gc.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { nameOf, packagesOf, published, testClosure } from "./closures.ts";

const open = (folder: string, create = false) => openRepository(folder, { create, onWait: () => {} });

test("two builders that publish at once lose nothing of each other", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const closures = [];
  for (const word of ["a", "b", "c"]) closures.push(await testClosure(join(folder.path, "store"), word));
  await Promise.all(closures.map((closure) => published(closure, repository)));
  const names = (await whole(repository)).get("test");
  assert.deepEqual([...(names ?? [])].sort(), closures.map(nameOf).sort());
});

test("killed at any moment, what the repository names is whole, and the next run goes on", {
  timeout: 300_000,
}, async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const [first, second] = [
    await testClosure(join(folder.path, "store"), "first"),
    await testClosure(join(folder.path, "store"), "second"),
  ];
  await published(first, repository);
  const program = join(import.meta.dirname, "publish-killed.ts");
  for (let delay = 150, ended = false; !ended; delay += 40) {
    const child = spawn(process.execPath, [program, join(folder.path, "store"), nameOf(second), repository]);
    await Promise.race([sleep(delay), once(child, "exit")]);
    ended = child.exitCode === 0;
    child.kill("SIGKILL");
    if (child.signalCode === null && child.exitCode === null) await once(child, "exit");
    assert.ok(["first", "second"].length >= ((await whole(repository)).get("test")?.length ?? 0));
  }
  assert.deepEqual((await whole(repository)).get("test"), [nameOf(first), nameOf(second)]);
});

test("what no closure needs that stays is deleted, and nothing else", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const closures = [];
  for (const word of ["a", "b", "c"]) {
    closures.push(await testClosure(join(folder.path, "store"), word));
    const last = closures.at(-1);
    if (last !== undefined) await published(last, repository);
  }
  const before = await paths(repository);
  {
    await using opened = await open(repository);
    const found = await unneeded(opened, 2);
    assert.ok(found.bytes > 0);
    assert.deepEqual(await paths(repository), before, "to look deletes nothing");
    await removeUnneeded(opened, found);
  }
  assert.deepEqual((await whole(repository)).get("test"), closures.slice(1).map(nameOf));
  const left = await paths(repository);
  assert.ok(left.length < before.length);
  await using opened = await open(repository);
  assert.deepEqual((await unneeded(opened, 2)).paths, []);
});

test("where a list cannot be read, nothing is deleted", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const closure = await testClosure(join(folder.path, "store"), "a");
  await published(closure, repository);
  await writeFile(join(repository, contentPath({ kind: "list", name: nameOf(closure), from: null })), "damaged");
  await using opened = await open(repository);
  await assert.rejects(unneeded(opened, 1), /is not the list of what/);
});

test("a list that is damaged is written again with its closure, and does not keep another from being published", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const [first, second] = [
    await testClosure(join(folder.path, "store"), "a"),
    await testClosure(join(folder.path, "store"), "b"),
  ];
  const damage = async (name: string) =>
    writeFile(join(repository, contentPath({ kind: "list", name, from: null })), "damaged");
  await published(first, repository);
  await damage(nameOf(first));
  await published(second, repository);
  await damage(packagesOf(first));
  await published(first, repository);
  assert.deepEqual((await whole(repository)).get("test"), [nameOf(second), nameOf(first)]);
  // Without a closure to make patches from, there are none.
  assert.equal(existsSync(join(repository, "objects", nameOf(second), "from")), false);
});

test("a folder that holds something else is not written to, nor deleted from", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "www"));
  await writeFile(join(folder.path, "www/index.html"), "mine");
  for (const create of [true, false]) {
    await assert.rejects(open(join(folder.path, "www"), create), /is no content repository/);
    assert.deepEqual(readdirSync(join(folder.path, "www")), ["index.html"]);
  }
  await assert.rejects(open(join(folder.path, "nothing"), false), /is no content repository/);
  assert.equal(existsSync(join(folder.path, "nothing")), false);
});

test("what is damaged in the cache is not published", async () => {
  await using folder = await temporaryFolder();
  const closure = await testClosure(join(folder.path, "store"), "a");
  await writeFile(join(closure.folder, "cmdline"), "other\n");
  await assert.rejects(published(closure, join(folder.path, "repository")), /cmdline in the cache is damaged/);
  assert.equal((await whole(join(folder.path, "repository"))).get("test"), undefined);
});

test("a web server can read all of it, whatever the umask", async () => {
  await using folder = await temporaryFolder();
  const mask = process.umask(0o077);
  try {
    await published(await testClosure(join(folder.path, "store"), "a"), join(folder.path, "repository"));
  } finally {
    process.umask(mask);
  }
  for (const path of await paths(join(folder.path, "repository"))) {
    assert.equal((await stat(join(folder.path, "repository", path))).mode & 0o044, 0o044, path);
  }
  assert.equal((await stat(join(folder.path, "repository", "files"))).mode & 0o777, 0o755);
});

/** Every closure that it names is there, to the last file. @returns those of each host */
async function whole(repository: string): Promise<ReadonlyMap<string, readonly string[]>> {
  await using opened = await open(repository, true);
  const hosts = await opened.published();
  for (const name of [...hosts.values()].flat()) {
    const list = await opened.list(name);
    const references = referencesIn(list);
    assert.equal(references.length, 2, list);
    const lists = await Promise.all(references.map((reference) => opened.list(reference)));
    for (const { sha256 } of [list, ...lists].flatMap(listedFiles)) {
      const file = join(repository, contentPath({ kind: "file", sha256 }));
      assert.ok(readFileSync(file).length > 8, file);
    }
  }
  return hosts;
}

async function paths(repository: string): Promise<string[]> {
  const all = readdirSync(repository, { recursive: true, encoding: "utf8", withFileTypes: true });
  const files = all.filter((entry) => entry.isFile() && !entry.parentPath.includes(".locks"));
  return files.map((entry) => join(entry.parentPath, entry.name).slice(repository.length + 1)).sort();
}
