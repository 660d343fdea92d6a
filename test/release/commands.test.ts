/** Releases and their deployment, as people type them: with a control plane, and an agent that the test plays. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import type { Closure } from "../../src/closure/closure.ts";
import { openRepository } from "../../src/content/repository.ts";
import { type TemporaryFolder, temporaryFolder } from "../../src/local/resources.ts";
import { createRelease } from "../../src/release/create.ts";
import { openKeyFolder } from "../../src/release/key-folder.ts";
import { readKeys } from "../../src/release/keys.ts";
import { published, testClosure } from "../content/closures.ts";
import { Plane, reportOf } from "../control/plane.ts";
import { NIXFLEET, ROOT } from "../unit/nixfleet-process.ts";

const FLEET = `import { mkFleet, mkHost } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
export default mkFleet([mkHost({ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules: [] })]);
`;

let home: TemporaryFolder;
let closures: readonly Closure[];
const repository = () => join(home.path, "www");

async function types(...args: readonly string[]) {
  const child = spawn(NIXFLEET, args, { cwd: home.path, env: { ...process.env, XDG_CONFIG_HOME: home.path } });
  child.stdin.end();
  const ended = once(child, "close");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await ended;
  return { code, stdout, stderr };
}

async function does(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await types(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function fails(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await types(...args);
  assert.equal(code, 1, `${args.join(" ")}: ${stdout}`);
  return stderr;
}

/** What `release create` does, once closures are built. */
async function created(closure: Closure, note: string) {
  await published(closure, repository());
  const keys = join(home.path, "release-keys");
  await using opened = await openRepository(repository(), { create: true, onWait: () => {} });
  const by = { keyFolder: await openKeyFolder(keys), keys: await readKeys([keys], null), now: Date.now() };
  const made = { hosts: { test: closure.storePath }, others: [], commit: null, note };
  return (await createRelease(opened, by, made)).release;
}

before(async () => {
  home = await temporaryFolder("/dev/shm");
  writeFileSync(join(home.path, "fleet.ts"), FLEET);
  const store = join(home.path, "store");
  closures = [await testClosure(store, "one"), await testClosure(store, "two")];
});
after(async () => home[Symbol.asyncDispose]());

test("a person makes keys once, and lists, shows, compares and verifies what is signed with them", async () => {
  assert.match(await fails("release", "list"), /release init/);
  assert.match(
    await does("release", "init", "--repository", "www", "--count", "root=2"),
    /hosts are to trust release-keys\/root\.json/,
  );
  assert.match(await fails("release", "init", "--repository", "www"), /holds something/);
  const table = await does("release", "keys");
  assert.match(table, /root 1, good until/);
  assert.equal(table.match(/ here$/gm)?.length, 5);

  const [one, two] = closures;
  assert.ok(one && two);
  const first = await created(one, "the first");
  const second = await created(two, "");
  const listed = JSON.parse(await does("release", "list", "--json"));
  assert.deepEqual(
    listed.map(({ sequence, id }: { sequence: number; id: string }) => [sequence, id]),
    [
      [2, second.id],
      [1, first.id],
    ],
  );
  for (const word of ["1", first.id, first.id.slice(0, 8)])
    assert.deepEqual(JSON.parse(await does("release", "show", word, "--json")), first);
  const shown = await does("release", "show", "newest");
  assert.ok(shown.includes(second.id) && shown.includes(two.storePath), shown);
  assert.match(await fails("release", "show", "7"), /no release is called 7/);
  const changes = JSON.parse(await does("release", "diff", "1", "2", "--json"));
  assert.equal(changes.length, 1);
  assert.deepEqual([changes[0].host, changes[0].before, changes[0].after], ["test", one.storePath, two.storePath]);
  assert.ok(changes[0].changes.files.changed.includes("/cmdline"));
  assert.match(await does("release", "diff", "1"), /^test: changed[\s\S]*changed \/cmdline/);
  assert.match(await does("release", "verify"), /2 releases/);

  // Hosts may still want what a listed release names.
  await does("gc", "--repository", "www", "--keep-per-host", "1");
  assert.match(await does("release", "verify"), /2 releases/);
  const object = join(repository(), "objects", one.storePath.slice("/nix/store/".length), "list.zst");
  assert.ok(existsSync(object));
  const list = readFileSync(object);
  writeFileSync(object, "no list");
  assert.match(await fails("release", "verify"), /release 1, test:/);
  writeFileSync(object, list);
});

test("keys are rotated, revoked and refreshed by hand, and what is left verifies", async () => {
  const shown = () => does("release", "keys", "--json").then((said) => JSON.parse(said));
  const idsOf = (found: { roles: { role: string; keys: { id: string }[] }[] }, role: string) =>
    found.roles.find((one) => one.role === role)?.keys.map(({ id }) => id) ?? [];
  const old = await shown();
  assert.match(await does("release", "keys", "rotate", "targets"), /signs from now on[\s\S]*signs nothing any more/);
  const now = await shown();
  assert.deepEqual([now.version, idsOf(now, "targets").length], [2, 1]);
  assert.notDeepEqual(idsOf(now, "targets"), idsOf(old, "targets"));
  const [root = ""] = idsOf(now, "root");
  await does("release", "keys", "revoke", root.slice(0, 8));
  assert.match(
    await fails("release", "keys", "revoke", idsOf(await shown(), "root")[0] ?? ""),
    /root would have 0 keys/,
  );
  assert.match(await fails("release", "keys", "rotate", "everything"), /everything is no role/);
  assert.match(await does("release", "refresh"), /signed until/);
  assert.match(await does("release", "verify"), /releases are signed/);
  assert.deepEqual(readdirSync(join(home.path, "release-keys", "roots")).sort(), [
    "1.root.json",
    "2.root.json",
    "3.root.json",
  ]);
});

test("deploy signs, tells the control plane, and ends as the rollout does", async () => {
  await using plane = await Plane.start();
  writeFileSync(join(home.path, "key"), plane.key);
  const authority = join(plane.folder.path, "authority.crt");
  assert.match(await fails("deploy", "--of", "1"), /not logged in/);
  await does("login", `https://localhost:${plane.plane.port}`, "--authority", authority, "--key-file", "key");
  const certificate = await plane.enrolled("test");
  const [one, two] = closures.map(({ storePath }) => storePath);

  // The agent takes the first closure, and rejects the second.
  let sequence = 0;
  const report = async () => {
    const { json: told } = await plane.ask("GET", "/agent/desired", { certificate });
    const { kind, closure, release } = told.target;
    const isBad = kind === "release" && closure === two;
    const outcome = isBad ? { kind: "rejected", release, why: "nginx does not start" } : { kind: "healthy" };
    const said = reportOf("test", { sequence: ++sequence, change: told.change, outcome });
    const running = { ...said.running, ...(kind === "release" && !isBad ? { closure } : {}) };
    await plane.ask("POST", "/agent/report", { certificate, body: { ...said, running } });
  };
  await report();
  const agent = setInterval(() => void report(), 300);
  try {
    assert.match(await fails("deploy", "nobody", "--of", "1"), /has no host nobody/);
    assert.match(await fails("deploy", "--of", "1", "--waves", "1,x"), /strategy\.waves/);
    assert.match(await does("deploy", "te*", "--of", "1", "--note", "back"), /: done.*: 1 healthy/);
    const { json } = await plane.ask("GET", "/releases", { key: plane.key });
    const [newest] = json.items;
    assert.deepEqual([newest.sequence, newest.note], [3, "back"]);
    const shown = JSON.parse(await does("release", "show", "3", "--json"));
    assert.deepEqual([shown.id, shown.hosts], [newest.id, { test: one }]);
    assert.match(await fails("deploy", "--of", "2"), /the rollout is paused: test: nginx does not start/);
  } finally {
    clearInterval(agent);
  }
});
