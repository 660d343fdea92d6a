/** `nixfleet stray`: data on the persist root that nothing declares, its way to the trash and back. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { HOSTILE_NAMES, UNSEEN } from "../hostile-names.ts";
import { entry } from "./activation-root.ts";
import { type AuditedHost, auditedHost } from "./audited-host.ts";
import { stoppedAnywhere } from "./stopped-perl.ts";

const ENTRIES = [
  entry("directory", "/var/lib/app", "bind"),
  entry("file", "/etc/machine-id", "bind"),
  entry("directory", "/home/alice/.ssh", "bind"),
];

const OLD = entry("directory", "/srv/was", "bind", { declaredAt: ["fleet.ts:12"] });

async function host(): Promise<AuditedHost> {
  const made = await auditedHost({ entries: ENTRIES });
  put(made, "var/lib/app/data", "home/alice/.ssh/id", "var/lib/gone/data", "srv/was/note", "home/alice/old");
  writeFileSync(join(made.persist, "etc-file"), "");
  mkdirSync(join(made.persist, "etc"));
  writeFileSync(join(made.persist, "etc/machine-id"), "");
  await made.generation(1, "abc-nixfleet-test", {});
  return made;
}

function put({ persist }: AuditedHost, ...paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(join(persist, path, ".."), { recursive: true });
    writeFileSync(join(persist, path), "12345");
  }
}

const list = (made: AuditedHost) => JSON.parse(made.command("stray", "--json").stdout).stray;
const paths = (made: AuditedHost) => list(made).map(({ path }: { path: string }) => path);

test("what no entry claims is listed, folders above entries are not", async () => {
  await using made = await host();
  assert.deepEqual(paths(made), [
    "/persist/etc-file",
    "/persist/home/alice/old",
    "/persist/precious",
    "/persist/srv",
    "/persist/var/lib/gone",
  ]);
  const gone = list(made).at(-1);
  assert.deepEqual([gone.kind, gone.size, gone.files, gone.generation, gone.declaredAt], ["folder", 5, 1, null, null]);
  assert.match(made.command("stray").stdout, /no generation on this host declares it/);
});

test("it is said which generation declared it last, and where", async () => {
  await using made = await host();
  await made.generation(2, "old-nixfleet-test", { entries: [OLD] });
  const was = list(made).find(({ path }: { path: string }) => path === "/persist/srv");
  assert.deepEqual([was.generation, was.declaredAt], [2, "fleet.ts:12"]);
  assert.match(made.command("stray").stdout, /declared last by generation 2, at fleet\.ts:12/);
});

test("nothing that a generation claims is removed, wherever it is named", async () => {
  await using made = await host();
  await made.generation(2, "old-nixfleet-test", { entries: [OLD] });
  for (const [path, why] of [
    ["/persist/srv", /is claimed by generation 2, as \/srv\/was/],
    ["/persist/srv/was/note", /is claimed by generation 2/],
    ["/persist/var/lib/app", /is claimed by this host, which runs/],
    ["/persist/var/lib", /is claimed by this host, which runs/],
    ["/persist/var/lib/app/data", /is claimed by/],
    ["/persist", /is not below a persist root/],
    ["/persist/.nixfleet", /is NixFleet's own/],
    ["/etc/hosts", /is not below a persist root/],
    ["/persist/var/../etc", /has \. or \.\. in it/],
    ["/persist/none", /there is no \/persist\/none/],
  ] as const) {
    const { status, stderr } = made.command("stray", "remove", path);
    assert.equal(status, 1, path);
    assert.match(stderr, why);
  }
  const both = made.command("stray", "remove", "/persist/var/lib/gone", "/persist/srv");
  assert.equal(both.status, 1, "all or none");
  assert.ok(existsSync(join(made.persist, "var/lib/gone/data")));
});

test("a generation that does not say what it claims lets nothing go", async () => {
  await using made = await host();
  await made.generation(3, "older-nixfleet-test", {});
  for (const name of ["declared.list"]) await run("rm", [join(made.fs.top, "@nix/store/older-nixfleet-test", name)]);
  assert.match(made.command("stray", "remove", "/persist/srv").stderr, /generation 3 does not say what it declares/);
});

test("what is removed is in the trash until it is put back, or until it is as old as a due root", async () => {
  await using made = await host();
  const moved = JSON.parse(made.command("stray", "remove", "/persist/srv", "/persist/var/lib/gone", "--json").stdout);
  assert.deepEqual(paths(made), ["/persist/etc-file", "/persist/home/alice/old", "/persist/precious"]);
  const trash = JSON.parse(made.command("stray", "trash", "--json").stdout);
  assert.deepEqual(
    trash.map(({ path }: { path: string }) => path),
    ["/persist/srv", "/persist/var/lib/gone"],
  );
  assert.deepEqual(
    moved,
    trash.map(({ name, path }: { name: string; path: string }) => ({ name, path })),
  );
  assert.deepEqual(JSON.parse(made.command("stray", "undo", "--json").stdout), moved[1]);
  assert.equal(readFileSync(join(made.persist, "var/lib/gone/data"), "utf8"), "12345");
  mkdirSync(join(made.persist, "srv"));
  assert.match(
    made.command("stray", "undo").stderr,
    /\/persist\/srv cannot be put back: File exists; it stays in the trash/,
  );
  made.command("stray", "expire");
  assert.equal(JSON.parse(made.command("stray", "trash", "--json").stdout).length, 1, "it is not old yet");
  const [{ name }] = trash;
  const folder = join(made.persist, ".nixfleet/trash");
  renameSync(join(folder, name), join(folder, "20260101T000000.000Z"));
  assert.equal(made.command("stray", "expire").status, 0);
  assert.equal(made.command("stray", "trash").stdout, "The trash is empty.\n");
});

test("a link above it is not followed, in neither direction", async () => {
  await using made = await host();
  put(made, "home/alice/dir/file", "secret/file");
  renameSync(join(made.persist, "home/alice/dir"), join(made.persist, "home/alice/real"));
  symlinkSync("../../secret", join(made.persist, "home/alice/dir"));
  assert.match(made.command("stray", "remove", "/persist/home/alice/dir/file").stderr, /home\/alice\/dir is a link/);
  assert.equal(made.command("stray", "remove", "/persist/home/alice/real/file").status, 0);
  renameSync(join(made.persist, "home/alice/real"), join(made.persist, "home/alice/moved"));
  symlinkSync("../../secret", join(made.persist, "home/alice/real"));
  assert.match(made.command("stray", "undo").stderr, /home\/alice\/real is a link or no folder; it stays in the trash/);
  assert.equal(readFileSync(join(made.persist, "secret/file"), "utf8"), "12345");
});

test("a trash that is not root's alone is not used", async () => {
  await using made = await host();
  mkdirSync(join(made.persist, ".nixfleet"));
  await run("chmod", ["777", join(made.persist, ".nixfleet")]);
  assert.match(made.command("stray", "remove", "/persist/srv").stderr, /is not root's alone/);
});

test("killed before any of its statements, the data is where it was or whole in the trash, and goes on from there", async () => {
  await using made = await host();
  const data = join(made.persist, "srv/was/note");
  const trashed = () => JSON.parse(made.command("stray", "trash", "--json").stdout).length;
  const within = "toTrash|undo|renameNew|syncAt";
  const removed = stoppedAnywhere(
    made,
    within,
    ["stray", "remove", "/persist/srv"],
    () => put(made, "srv/was/note"),
    (count) => {
      assert.equal(Number(existsSync(data)) + trashed(), 1, `after ${count} statements of remove`);
      if (!existsSync(data)) assert.equal(made.command("stray", "undo").status, 0);
      assert.equal(readFileSync(data, "utf8"), "12345");
    },
  );
  const undone = stoppedAnywhere(
    made,
    within,
    ["stray", "undo"],
    () => {
      if (existsSync(data)) made.command("stray", "remove", "/persist/srv");
    },
    (count) => assert.equal(Number(existsSync(data)) + trashed(), 1, `after ${count} statements of undo`),
  );
  assert.ok(removed > 15 && undone > 10, `${removed} and ${undone} statements`);
});

test("names are only names", async () => {
  await using made = await host();
  for (const [, name] of HOSTILE_NAMES) {
    writeFileSync(Buffer.concat([Buffer.from(`${made.persist}/`), name]), "");
  }
  const { stdout } = made.command("stray");
  for (const line of stdout.split("\n")) assert.doesNotMatch(line, UNSEEN);
  assert.equal(stdout.match(/^ {2}\/persist\/a.*$/gm)?.length, HOSTILE_NAMES.length);
});
