import assert from "node:assert/strict";
import {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { allocatedIds, NO_IDS } from "../../src/closure/lock/account-ids.ts";
import { renumber } from "../../src/closure/tree/renumber.ts";
import { run } from "../../src/local/process.ts";
import { mounted, temporaryFolder } from "../../src/local/resources.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/bash",
  "www-data:x:33:33::/var/www:/bin/sh",
  "web:x:101:102:The web:/srv:/bin/sh",
  "db:x:102:101::/var/lib/db:/bin/sh",
  "alice:x:1000:1000::/home/alice:/bin/sh",
  "nobody:x:65534:65534::/:/bin/sh",
  "",
].join("\n");
const GROUP = "root:x:0:\nusers:x:100:\ndb:x:101:web\nweb:x:102:\n_ssh:x:999:\n";

/** A tree whose ids 101 and 102 change places, so that whoever does one after the other mixes them up. */
async function scene() {
  const folder = await temporaryFolder("/var/tmp"); // tmpfs has no ACLs everywhere
  const tree = folder.path;
  const file = (name: string, uid: number, gid: number, mode = 0o644) => {
    writeFileSync(join(tree, name), name);
    lchownSync(join(tree, name), uid, gid);
    chmodSync(join(tree, name), mode);
  };
  mkdirSync(join(tree, "etc"));
  writeFileSync(join(tree, "etc/passwd"), PASSWD, { mode: 0o600 });
  writeFileSync(join(tree, "etc/group"), GROUP);
  const at = (name: string) => {
    const { uid, gid, mode } = lstatSync(join(tree, name));
    return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
  };
  const ids = { users: { web: 102, db: 101 }, groups: { web: 101, db: 102, _ssh: 300 } };
  return { tree, file, at, ids, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

test("accounts and what belongs to them get their ids, once, and nothing else changes", async () => {
  await using it = await scene();
  it.file("both", 101, 102, 0o640);
  it.file("db", 102, 101, 0o600);
  it.file("roots", 0, 100);
  it.file("alices", 1000, 1000);
  linkSync(join(it.tree, "both"), join(it.tree, "both again"));
  mkdirSync(join(it.tree, "folder"));
  lchownSync(join(it.tree, "folder"), 0, 999);
  chmodSync(join(it.tree, "folder"), 0o3775);
  symlinkSync("/nowhere", join(it.tree, "link"));
  lchownSync(join(it.tree, "link"), 101, 999);
  await renumber(it.tree, it.ids);
  assert.deepEqual(allocatedIds(it.tree), it.ids);
  assert.equal(
    readFileSync(join(it.tree, "etc/passwd"), "utf8"),
    PASSWD.replace("web:x:101:102", "web:x:102:101").replace("db:x:102:101", "db:x:101:102"),
  );
  assert.equal(
    readFileSync(join(it.tree, "etc/group"), "utf8"),
    "root:x:0:\nusers:x:100:\ndb:x:102:web\nweb:x:101:\n_ssh:x:300:\n",
  );
  assert.equal(it.at("both"), "102:101 640");
  assert.equal(it.at("both again"), "102:101 640");
  assert.equal(it.at("db"), "101:102 600");
  assert.equal(it.at("roots"), "0:100 644");
  assert.equal(it.at("alices"), "1000:1000 644");
  assert.equal(it.at("folder"), "0:300 3775");
  assert.equal(it.at("link"), "102:300 777");
  assert.equal(it.at("etc/passwd"), "0:0 600");
});

test("a program keeps its set-user-id and set-group-id bits, and its capabilities", async () => {
  await using it = await scene();
  it.file("agent", 0, 999, 0o2755);
  it.file("helper", 101, 102, 0o4754);
  it.file("ping", 0, 102, 0o755);
  await run("setcap", ["cap_net_raw,cap_net_admin=ep", join(it.tree, "ping")]);
  await renumber(it.tree, it.ids);
  assert.equal(it.at("agent"), "0:300 2755");
  assert.equal(it.at("helper"), "102:101 4754");
  assert.equal(it.at("ping"), "0:101 755");
  assert.match(await run("getcap", [join(it.tree, "ping")]), / cap_net_admin,cap_net_raw=ep$/m);
});

test("access control lists follow their users and groups", async () => {
  await using it = await scene();
  mkdirSync(join(it.tree, "a folder"));
  it.file("a folder/a file", 0, 0, 0o640);
  const acl = "user:101:rwx,group:102:r-x,group:4:r-x,default:group:999:r-x,default:user:33:r-x";
  await run("setfacl", ["-m", acl, join(it.tree, "a folder")]);
  await run("setfacl", ["-m", "user:102:rw-,group:101:r--", join(it.tree, "a folder/a file")]);
  await renumber(it.tree, it.ids);
  const list = async (name: string) =>
    (await run("getfacl", ["--numeric", "--omit-header", "--absolute-names", join(it.tree, name)])).split("\n");
  const folder = await list("a folder");
  for (const line of ["user:102:rwx", "group:101:r-x", "group:4:r-x", "default:group:300:r-x", "default:user:33:r-x"]) {
    assert.ok(folder.includes(line), `${line} in ${folder}`);
  }
  const file = await list("a folder/a file");
  for (const line of ["user:101:rw-", "group:102:r--", "group::r--"])
    assert.ok(file.includes(line), `${line} in ${file}`);
  assert.equal(file.filter((line) => line.startsWith("user:")).length, 2);
});

test("what is mounted in the tree is the builder's, and stays as it is", async () => {
  await using it = await scene();
  await using builders = await temporaryFolder("/dev/shm");
  mkdirSync(join(it.tree, "dev"));
  mkdirSync(join(it.tree, "dev/shm"));
  mkdirSync(join(builders.path, "theirs"));
  const acl = async () => run("getfacl", ["--numeric", "--absolute-names", join(builders.path, "theirs")]);
  await run("setfacl", ["-m", "group:999:r-x", join(builders.path, "theirs")]);
  lchownSync(join(builders.path, "theirs"), 101, 102);
  const before = await acl();
  await using _ = await mounted(builders.path, join(it.tree, "dev/shm"), ["bind"]);
  await renumber(it.tree, it.ids);
  assert.equal(await acl(), before);
});

test("doing it again changes nothing", async () => {
  await using it = await scene();
  it.file("both", 101, 102, 0o2755);
  await renumber(it.tree, NO_IDS);
  const ids = allocatedIds(it.tree);
  const before = lstatSync(join(it.tree, "both"));
  await renumber(it.tree, ids);
  assert.deepEqual(lstatSync(join(it.tree, "both")), before);
  assert.equal(ids.users.web, ids.groups.web);
});
