/** `nixfleet rollback --with-state`: a boot takes what persists back, once, and keeps what it replaces. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { entry } from "./activation-root.ts";
import { type AuditedHost, auditedHost, CLOSURE } from "./audited-host.ts";
import { names, subvolume } from "./wipe-filesystem.ts";

const APP = entry("directory", "/var/lib/app", "bind");
const NEW = "/nix/store/new-nixfleet-test";

/** Generation 1 has left "one"; generation 2 runs, and has written "two". */
async function host(): Promise<AuditedHost> {
  const made = await auditedHost({ entries: [APP] });
  await made.generation(1, "abc-nixfleet-test", {});
  await made.generation(2, "new-nixfleet-test", { entries: [APP] });
  assert.equal(made.command("state", "boot").status, 0);
  write(made, "one");
  made.runs("new-nixfleet-test");
  assert.equal(made.command("state", "boot").status, 0);
  write(made, "two");
  return made;
}

function write({ persist }: AuditedHost, text: string): void {
  mkdirSync(join(persist, "var/lib/app"), { recursive: true });
  writeFileSync(join(persist, "var/lib/app/note"), text);
}

const noted = (folder: string) => readFileSync(join(folder, "var/lib/app/note"), "utf8");

const states = (made: AuditedHost) =>
  JSON.parse(made.command("state", "--json").stdout) as { name: string; generation: number }[];

test("the boot that it is for takes what persists back, the next one does not, and what was replaced is a snapshot", async () => {
  await using made = await host();
  assert.match(made.command("state", "lost", CLOSURE).stdout, /changed {2}\/persist\/var\/lib\/app\/note/);
  const ordered = made.command("state", "order", CLOSURE);
  assert.equal(ordered.status, 0, ordered.stderr);
  assert.equal(noted(made.persist), "two", "nothing changes before the boot");
  write(made, "later");
  const { outcome, kept } = (await made.bootOf(CLOSURE)) ?? {};
  assert.equal(outcome, "back");
  assert.equal(noted(made.persist), "one");
  assert.equal(noted(join(made.fs.top, "old_state", kept ?? "", "0")), "later");
  assert.deepEqual(
    states(made).map(({ generation }) => generation),
    [1, 2],
  );
  assert.deepEqual(
    names(made.fs, "old_state").sort(),
    states(made).map(({ name }) => name),
  );
  write(made, "again");
  assert.equal(await made.bootOf(CLOSURE), null);
  assert.equal(noted(made.persist), "again");
  const restored = made.command("state", "restore", "/var/lib/app", "--from", "2");
  assert.equal(restored.status, 0, restored.stderr);
  assert.equal(noted(made.persist), "later");
});

test("a boot of another generation does not, and then it is void", async () => {
  await using made = await host();
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  assert.equal((await made.bootOf(NEW))?.outcome, "void");
  assert.equal(noted(made.persist), "two");
  assert.deepEqual(
    names(made.fs, "old_state"),
    states(made).map(({ name }) => name),
    "the order is gone",
  );
  assert.equal(await made.bootOf(CLOSURE), null);
  assert.equal(noted(made.persist), "two");
});

test("an order that a boot has passed by, as one that skips the wipe does, is void", async () => {
  await using made = await host();
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  writeFileSync(join(made.root, "etc/nixfleet/boot"), `another-boot\n${NEW}\n`);
  assert.equal((await made.bootOf(CLOSURE))?.outcome, "void");
  assert.equal(noted(made.persist), "two");
});

test("it is withdrawn, or replaced by another", async () => {
  await using made = await host();
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  assert.equal(made.command("state", "withdraw").status, 0);
  assert.equal(await made.bootOf(CLOSURE), null);
  assert.equal(noted(made.persist), "two");
});

test("a subvolume within a persist root, which no snapshot has, stops it: at the order and at the boot", async () => {
  await using made = await host();
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  await subvolume(made.fs.top, "@persist/home/alice/own");
  writeFileSync(join(made.fs.top, "@persist/home/alice/own/file"), "hers");
  const { outcome, reason } = (await made.bootOf(CLOSURE)) ?? {};
  assert.equal(outcome, "refused");
  assert.match(reason ?? "", /@persist\/home\/alice\/own/);
  assert.equal(noted(made.persist), "two");
  assert.match(made.command("state", "order", CLOSURE).stderr, /@persist\/home\/alice\/own/);
});

test("where the exchange fails nothing is changed, the host boots, and it is said", async () => {
  await using made = await host();
  assert.equal(made.command("state", "order", CLOSURE).status, 0);
  const bin = join(made.fs.scratch, "failing");
  mkdirSync(bin);
  writeFileSync(
    join(bin, "mv"),
    '#!/bin/sh\n[ "$1" != --exchange ] || { echo "mv: no exchange" >&2; exit 1; }\nexec /bin/mv "$@"\n',
    { mode: 0o755 },
  );
  const { outcome, reason } = (await made.bootOf(CLOSURE, `${bin}:${process.env.PATH}`)) ?? {};
  assert.deepEqual([outcome, reason], ["refused", "mv: no exchange"]);
  assert.equal(noted(made.persist), "two");
});

test("what no snapshot is of is refused before anything is made", async () => {
  await using made = await host();
  assert.match(made.command("state", "order", NEW).stderr, /no snapshot of \/nix\/store\/new-nixfleet-test/);
  assert.ok(names(made.fs, "old_state").every((name) => !name.startsWith("back")));
});
