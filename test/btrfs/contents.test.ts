/** The digest of store objects: of everything that a host could tell apart, and of nothing else. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cacheAt } from "../../src/closure/store/cache.ts";
import { base32, objectDifferences, sealObject, treeDigest } from "../../src/closure/store/digest.ts";
import { isWhole, removeDamaged, verifyStore } from "../../src/closure/store/whole.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { sealed } from "../sealed.ts";
import { filesystem } from "./wipe-filesystem.ts";

/** Not UTF-8, a line break, blanks, what a terminal obeys, and what the list itself is written with. */
const NAMES = ["a\nf 0 0 0 0 - - b", " b ", "-rf", "\x1b[2J", "back\\slash\\x41", "ü 😀", "con,tents=1", "*"] as const;
const PAST = new Date("2020-01-02T03:04:05.678Z");

const CHANGES: Readonly<Record<string, (tree: string) => unknown>> = {
  "a byte": (tree) => writeFileSync(join(tree, "file"), "contenT"),
  "a byte of a file with an odd name": (tree) => writeFileSync(join(tree, NAMES[0]), "other"),
  "the end of a file with a hole": (tree) => truncateSync(join(tree, "hole"), 1_000_001),
  "a mode": (tree) => chmodSync(join(tree, "file"), 0o640),
  "a set-user-ID bit": (tree) => chmodSync(join(tree, "file"), 0o4644),
  "the mode of the object": (tree) => chmodSync(tree, 0o700),
  "an owner": (tree) => chownSync(join(tree, "file"), 5, 0),
  "a group": (tree) => chownSync(join(tree, "file"), 0, 5),
  "a time": (tree) => utimesSync(join(tree, "file"), PAST, new Date("2020-01-02T03:04:06Z")),
  "the time of a link": (tree) => lutimesSync(join(tree, "link"), PAST, new Date("2020-01-02T03:04:06Z")),
  "a target": (tree) => {
    rmSync(join(tree, "link"));
    symlinkSync("tarGet", join(tree, "link"));
    lutimesSync(join(tree, "link"), PAST, PAST);
  },
  "a link in place of a file": (tree) => {
    rmSync(join(tree, "file"));
    symlinkSync("content", join(tree, "file"));
  },
  "a name": (tree) => renameSync(join(tree, "file"), join(tree, "File")),
  "a file more": (tree) => writeFileSync(join(tree, "more"), ""),
  "a folder more": (tree) => mkdirSync(join(tree, "more")),
  "a file less": (tree) => rmSync(join(tree, "file")),
  "a capability": (tree) => run("setcap", ["cap_net_raw=ep", join(tree, "file")]),
  "another capability": (tree) => run("setcap", ["cap_net_admin=ep", join(tree, "capable")]),
  "an ACL": (tree) => run("setfacl", ["-m", "u:7:r", join(tree, "file")]),
  "the ACL of what is made later": (tree) => run("setfacl", ["-d", "-m", "u:7:rwx", join(tree, "folder")]),
  "a device": (tree) => run("mknod", [join(tree, "device"), "c", "1", "3"]),
  "a pipe in place of a file": async (tree) => {
    rmSync(join(tree, "file"));
    await run("mkfifo", [join(tree, "file")]);
  },
  "the list itself": (tree) => writeFileSync(join(tree, "contents.list"), "d 755 0 0 0 - - .\n"),
  "the owner of the list": (tree) => chownSync(join(tree, "contents.list"), 5, 0),
  "no list": (tree) => rmSync(join(tree, "contents.list")),
};

test("whatever is changed in an object, it is not what its name says, and the file is named", async () => {
  await using disk = await filesystem({ bare: true });
  const made = await makeObject(disk.top);
  assert.deepEqual(await objectDifferences(made.folder, made.name), []);
  for (const [what, change] of Object.entries(CHANGES)) {
    const copy = join(disk.top, "copy");
    await run("cp", ["-a", made.folder, copy]);
    assert.deepEqual(await objectDifferences(copy, made.name), [], `before ${what}`);
    await change(copy);
    const differences = await objectDifferences(copy, made.name);
    assert.notEqual(differences.length, 0, what);
    for (const line of differences) assert.match(line, /^[ -~]+$/, `${what}: a terminal can show it`);
    if (what === "a byte") assert.deepEqual(differences, ["./file is changed"]);
    if (what === "a file less") assert.ok(differences.includes("./file is missing"), differences.join());
    if (what === "a file more") assert.ok(differences.includes("./more does not belong there"), differences.join());
    rmSync(copy, { recursive: true });
  }
});

test("how it is stored makes no difference: another filesystem, hard links, holes, the order in folders", async () => {
  await using disk = await filesystem({ bare: true });
  await using folder = await temporaryFolder();
  const made = await makeObject(disk.top);
  const copy = join(folder.path, "copy");
  await run("cp", ["-a", "--sparse=never", "--reflink=never", made.folder, copy]);
  assert.equal(await treeDigest(copy), made.name.slice(0, 32));
  rmSync(join(copy, "linked"));
  copyFileSync(join(copy, "twice"), join(copy, "linked"));
  utimesSync(join(copy, "linked"), PAST, PAST);
  await run("touch", [`--reference=${made.folder}`, copy]);
  assert.equal(await treeDigest(copy), made.name.slice(0, 32));
  const archived = join(folder.path, "archived");
  mkdirSync(archived);
  const tar = `tar -C "$1" --xattrs --xattrs-include='*' --acls -c . | tar -C "$2" --xattrs --xattrs-include='*' --acls -xp`;
  await run("sh", ["-euc", tar, "sh", made.folder, archived]);
  assert.equal(await treeDigest(archived), made.name.slice(0, 32));
});

test("the program digests as the builder does, whose alphabet it has too", async () => {
  await using folder = await temporaryFolder();
  const made = await makeObject(folder.path);
  assert.equal(await treeDigest(made.folder), made.name.slice(0, 32));
  assert.match(made.name, new RegExp(`^[${base32(Uint8Array.from({ length: 20 }, (_, i) => i * 13))}0-9a-z]{32}-`));
});

test("what no closure holds is refused when one is made", async () => {
  await using folder = await temporaryFolder();
  await run("mkfifo", [join(folder.path, "a pipe")]);
  await assert.rejects(sealObject(folder.path, 1e9, 1e9), /\.\/a\\x20pipe in .* is a device, pipe or socket/);
});

test("a changed byte in the cache is found at once, whatever its time says, and what the disk lost by verifying", async () => {
  await using folder = await temporaryFolder();
  const cache = cacheAt(folder.path);
  mkdirSync(cache.store);
  const { name } = await makeObject(cache.store);
  const file = join(cache.store, name, "file");
  assert.equal(await isWhole(cache, name), true);
  assert.equal(await isWhole(cache, name), true);
  assert.deepEqual(await verifyStore(cache, () => {}), []);
  writeFileSync(file, "contenT");
  utimesSync(file, PAST, PAST);
  assert.equal(await isWhole(cache, name), false);
  const damages = await verifyStore(cache, () => {});
  assert.deepEqual(damages, [{ name, differences: ["./file is changed"] }]);
  const steps: string[] = [];
  await removeDamaged(cache, name, (step) => steps.push(step));
  assert.deepEqual(steps, [`${name} in the cache is damaged: building it again`]);
  assert.deepEqual(await verifyStore(cache, () => {}), []);
});

/** In the folder, under its name. */
async function makeObject(parent: string) {
  const folder = join(parent, "nixfleet-test");
  const at = (name: string) => join(folder, name);
  mkdirSync(at("folder"), { recursive: true });
  for (const name of NAMES) writeFileSync(at(name), name);
  const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0xfe)]);
  writeFileSync(odd, "not UTF-8");
  writeFileSync(at("hole"), "");
  truncateSync(at("hole"), 1_000_000);
  writeFileSync(at("file"), "content");
  writeFileSync(at("capable"), "");
  await run("setcap", ["cap_net_raw=ep", at("capable")]);
  symlinkSync("target", at("link"));
  lutimesSync(at("link"), PAST, PAST);
  utimesSync(at("file"), PAST, PAST);
  writeFileSync(at("twice"), "content");
  utimesSync(at("twice"), PAST, PAST);
  linkSync(at("twice"), at("linked"));
  utimesSync(folder, PAST, PAST);
  const name = await sealed(folder);
  return { name, folder: join(parent, name) };
}
