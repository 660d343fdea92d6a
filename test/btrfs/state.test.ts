/** `nixfleet state`: what persists, as it was before another generation ran. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { entry } from "./activation-root.ts";
import { type AuditedHost, auditedHost } from "./audited-host.ts";
import { killedAfter } from "./killed-script.ts";
import { names, prune, subvolume } from "./wipe-filesystem.ts";

const APP = entry("directory", "/var/lib/app", "bind");

/** Generation 1 runs, and has left a note; generation 2 is installed. */
async function host(): Promise<AuditedHost> {
  const made = await auditedHost({ entries: [APP] });
  await made.generation(1, "abc-nixfleet-test", {});
  await made.generation(2, "new-nixfleet-test", { entries: [APP] });
  assert.equal(made.command("state", "boot").status, 0);
  note(made, "one");
  return made;
}

function note({ persist }: AuditedHost, text: string): void {
  mkdirSync(join(persist, "var/lib/app"), { recursive: true });
  writeFileSync(join(persist, "var/lib/app/note"), text);
}

const list = (made: AuditedHost) => JSON.parse(made.command("state", "--json").stdout);
const noted = ({ persist }: AuditedHost) => readFileSync(join(persist, "var/lib/app/note"), "utf8");

test("before another generation's first boot there is a snapshot of what the last one left, and only then", async () => {
  await using made = await host();
  assert.deepEqual(list(made), [], "nothing ran before the first");
  assert.equal(made.command("state", "boot").status, 0);
  assert.deepEqual(list(made), []);
  made.runs("new-nixfleet-test");
  assert.equal(made.command("state", "boot").status, 0);
  note(made, "two");
  assert.equal(made.command("state", "boot").status, 0);
  const [state, ...more] = list(made);
  assert.deepEqual(more, []);
  assert.deepEqual([state.generation, state.closure, state.roots], [1, "/nix/store/abc-nixfleet-test", ["/persist"]]);
  const diff = JSON.parse(made.command("state", "diff", "1", "--json").stdout);
  const paths = diff.map(({ change, path }: { change: string; path: string }) => `${change} ${path}`);
  assert.ok(paths.includes("changed /persist/var/lib/app/note"), `${paths}`);
  assert.deepEqual(names(made.fs, "old_state"), [state.name], "no other snapshot is left");
  const restored = made.command("state", "restore", "/var/lib/app", "--from", "1");
  assert.equal(restored.status, 0, restored.stderr);
  assert.equal(noted(made), "one");
  const trash = JSON.parse(made.command("stray", "trash", "--json").stdout);
  assert.equal(readFileSync(join(made.persist, ".nixfleet/trash", trash[0].name, "data/note"), "utf8"), "two");
});

test("a live switch makes one too, before it changes anything", async () => {
  await using made = await host();
  assert.equal(made.command("state", "switch", "/nix/store/new-nixfleet-test").status, 0);
  note(made, "two");
  assert.equal(list(made)[0].generation, 1);
  made.runs("new-nixfleet-test");
  assert.equal(made.command("state", "boot").status, 0);
  assert.equal(list(made).length, 1, "its boot is none of another");
});

test("what no snapshot has, or is NixFleet's own, or does not persist, is refused", async () => {
  await using made = await host();
  made.command("state", "switch", "/nix/store/new-nixfleet-test");
  for (const [path, why] of [
    ["/var/lib/app/none", /generation 1 had no \/var\/lib\/app\/none/],
    ["/persist/.nixfleet/ran", /is NixFleet's own/],
    ["/etc/hosts", /does not persist/],
    ["/persist/../etc", /has \. or \.\./],
  ] as const) {
    assert.match(made.command("state", "restore", path, "--from", "1").stderr, why);
  }
  assert.match(made.command("state", "restore", "/var/lib/app", "--from", "7").stderr, /no snapshot of generation 7/);
  assert.equal(noted(made), "one");
});

test("they are bounded in number and age, the newest stays, and they go first when room is short", async () => {
  await using made = await host();
  const old = (name: string) => `old_state/${name}`;
  for (let day = 10; day < 25; day++) await subvolume(made.fs.top, `${old(`202611${day}T000000.000Z`)}/0`);
  await subvolume(made.fs.top, `${old("20250101T000000.000Z")}/0`, `${old("mine")}/0`);
  for (const name of names(made.fs, "old_state")) writeFileSync(join(made.fs.top, old(name), "info"), "generation 1\n");
  made.command("state", "switch", "/nix/store/new-nixfleet-test");
  const left = names(made.fs, "old_state");
  assert.equal(left.length, 11);
  assert.ok(left.includes("mine") && !left.includes("20250101T000000.000Z"));
  await made.boot("2026-11-23 01:00:00");
  const before = names(made.fs, "old_roots");
  const { report } = prune(made.fs, { NOW: "2026-11-25 00:00:00" });
  assert.equal(report.short, null);
  assert.throws(() => writeFileSync(join(made.fs.top, "@persist/large"), Buffer.alloc(250 * 1024 * 1024)), /ENOSPC/);
  const short = prune(made.fs, { NOW: "2026-11-25 00:00:00" });
  assert.match(short.stderr, /a snapshot of what persists, is deleted/);
  assert.deepEqual(names(made.fs, "old_state"), ["mine"]);
  assert.ok(before.length >= 1);
});

test("killed before any of its commands, a snapshot is whole or not there, and the next boot makes it", async () => {
  await using made = await host();
  made.runs("new-nixfleet-test");
  const programs = ["mkdir", "btrfs", "sync", "mv", "date", "rm", "rmdir", "stat"];
  for (let count = 0; ; count++) {
    const env = [`RUNTIME=${join(made.fs.scratch, "run")}`, "/bin/sh", join(made.fs.scratch, "etc/state.sh")];
    const argv = [...env, "--conf", join(made.fs.scratch, "audit.conf"), "boot"];
    const killed = await killedAfter(count, programs, made.fs.scratch, argv);
    for (const state of list(made)) {
      assert.equal(readFileSync(join(made.fs.top, "old_state", state.name, "0/var/lib/app/note"), "utf8"), "one");
    }
    assert.equal(made.command("state", "boot").status, 0);
    assert.ok(list(made).length >= 1);
    assert.ok(!names(made.fs, "old_state").includes("new"));
    if (!killed) break;
    writeFileSync(join(made.persist, ".nixfleet/ran"), "/nix/store/abc-nixfleet-test\n");
    for (const name of names(made.fs, "old_state"))
      rmSync(join(made.fs.top, "old_state", name, "info"), { force: true });
    assert.ok(count < 40);
  }
});
