/** `nixfleet restore`: what an old root holds, as it was, to where it was. */
import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { entry } from "./activation-root.ts";
import { type AuditedHost, auditedHost } from "./audited-host.ts";
import { stoppedAnywhere } from "./stopped-perl.ts";
import { subvolume } from "./wipe-filesystem.ts";

const KEPT = entry("directory", "/srv/kept", "bind");

/** Two boots ago /srv/notes held one, at the last boot another. */
async function host(): Promise<AuditedHost> {
  const made = await auditedHost({ entries: [KEPT], pristine: (root) => mkdirSync(join(root, "srv")) });
  for (const [text, now] of [
    ["one", "2026-11-23 01:00:00"],
    ["two", "2026-11-23 02:00:00"],
  ] as const) {
    mkdirSync(join(made.root, "srv/notes"));
    mkdirSync(join(made.root, "srv/kept"));
    writeFileSync(join(made.root, "srv/notes/todo"), text);
    if (text === "one") writeFileSync(join(made.root, "srv/only"), text);
    await made.boot(now);
  }
  return made;
}

test("the newest that has it gives it, to where it was, and where nothing persists that has to be meant", async () => {
  await using made = await host();
  const refused = made.command("restore", "/srv/notes");
  assert.equal(refused.status, 1);
  assert.match(
    refused.stderr,
    /^nixfleet: \/srv\/notes is gone at the next boot\. .*\n {2}environment: [\s\S]*"\/srv\/notes",/,
  );
  assert.ok(!existsSync(join(made.root, "srv/notes")));
  assert.equal(made.command("restore", "/srv/notes", "--until-boot").status, 0);
  assert.equal(readFileSync(join(made.root, "srv/notes/todo"), "utf8"), "two");
  assert.match(made.command("restore", "/srv/notes", "--until-boot").stderr, /is there already/);
  assert.equal(
    made.command("restore", "/srv/only", "--until-boot", "--json").stdout.includes('"from":"20261123T01'),
    true,
  );
});

test("of the root that is named, to the place that is named", async () => {
  await using made = await host();
  const { status, stdout } = made.command("restore", "/srv/notes/", "--from", "20261123T01", "--to", "/persist/notes");
  assert.equal(status, 0);
  assert.equal(stdout, "/srv/notes of old_roots/20261123T010000.000Z is at /persist/notes\n");
  assert.equal(readFileSync(join(made.persist, "notes/todo"), "utf8"), "one");
  assert.match(made.command("restore", "/srv/only", "--from", "20261123T02").stderr, /has no \/srv\/only/);
  assert.match(
    made.command("restore", "/srv/only", "--from", "20261123").stderr,
    /more than one, begins with 20261123/,
  );
  assert.match(made.command("restore", "/none").stderr, /no old root has \/none/);
  assert.match(made.command("restore", "/srv/kept").stderr, /\/srv\/kept persists, so no old root holds what is in it/);
});

test("onto the persist root, with the folders above as they were, and what to declare", async () => {
  await using made = await host();
  await run("chmod", ["711", join(made.fs.top, "old_roots/20261123T020000.000Z/srv")]);
  const { status, stdout } = made.command("restore", "/srv/notes", "--persist");
  assert.equal(status, 0);
  assert.match(stdout, /^It is seen at \/srv\/notes from the boot on that this is declared for:\n {2}environment: /m);
  assert.equal(readFileSync(join(made.persist, "srv/notes/todo"), "utf8"), "two");
  assert.equal(lstatSync(join(made.persist, "srv")).mode & 0o777, 0o711);
});

test("owners, modes, ACLs, attributes, holes, links and shared extents are as they were", async () => {
  await using made = await auditedHost({ pristine: (root) => mkdirSync(join(root, "srv")) });
  const folder = join(made.root, "srv/all");
  mkdirSync(folder);
  writeFileSync(join(folder, "file"), "x".repeat(100_000));
  await run("setfattr", ["-n", "user.said", "-v", "yes", join(folder, "file")]);
  await run("setfacl", ["-m", "u:1:r", join(folder, "file")]);
  await run("chown", ["1:2", join(folder, "file")]);
  await run("chmod", ["4755", join(folder, "file")]);
  writeFileSync(join(folder, "sparse"), "");
  truncateSync(join(folder, "sparse"), 50_000_000);
  symlinkSync("/nowhere", join(folder, "link"));
  await run("ln", [join(folder, "file"), join(folder, "other-name")]);
  await made.boot("2026-11-23 01:00:00");
  assert.equal(made.command("restore", "/srv/all", "--until-boot").status, 0);
  const told = (root: string) =>
    run("sh", [
      "-c",
      "cd $0 && stat -c '%n %f %u %g %s %h' * && getfacl file other-name && getfattr -d file && sha256sum file",
      root,
    ]);
  const old = join(made.fs.top, "old_roots/20261123T010000.000Z/srv/all");
  assert.equal(await told(folder), await told(old));
  assert.ok(lstatSync(join(folder, "sparse")).blocks < 100);
  assert.equal(readlinkSync(join(folder, "link")), "/nowhere");
  const extents = await run("filefrag", ["-v", join(folder, "file")]);
  assert.match(extents, /shared/);
});

test("no link is followed, neither in the old root nor on the way to the place", async () => {
  await using made = await host();
  const old = join(made.fs.top, "old_roots/20261123T020000.000Z");
  symlinkSync("/persist", join(old, "srv/link"));
  assert.match(made.command("restore", "/srv/link/precious", "--until-boot").stderr, /no old root has/);
  symlinkSync("/persist", join(made.root, "srv/link"));
  const { stderr } = made.command("restore", "/srv/only", "--to", "/srv/link/only", "--until-boot");
  assert.match(stderr, /\/srv\/link is a link or no folder/);
  assert.ok(!existsSync(join(made.persist, "only")));
  assert.equal(made.command("restore", "/srv/link", "--until-boot", "--to", "/srv/copy").status, 0);
  assert.equal(readlinkSync(join(made.root, "srv/copy")), "/persist", "itself a link, it is one again");
});

test("killed before any of its statements, what is restored is there whole or not at all, and the next one does it", async () => {
  await using made = await host();
  const place = join(made.persist, "notes");
  const statements = stoppedAnywhere(
    made,
    "put|renameNew|syncAt",
    ["restore", "/srv/notes", "--to", "/persist/notes"],
    () => rmSync(place, { recursive: true, force: true }),
    (count) => {
      if (existsSync(place)) assert.equal(readFileSync(join(place, "todo"), "utf8"), "two", `${count}`);
      else {
        assert.equal(made.command("restore", "/srv/notes", "--to", "/persist/notes").status, 0, `${count}`);
        assert.equal(readFileSync(join(place, "todo"), "utf8"), "two");
      }
      if (!existsSync(join(made.persist, ".nixfleet-restoring"))) return;
      assert.equal(made.command("restore", "/srv/notes/todo", "--to", "/persist/again").status, 0);
      rmSync(join(made.persist, "again"));
      assert.ok(!existsSync(join(made.persist, ".nixfleet-restoring")));
    },
  );
  assert.ok(statements > 20, `${statements}`);
});

test("a kept root gives back too, and only a subvolume is an old root", async () => {
  await using made = await host();
  const roots = join(made.fs.top, "old_roots");
  renameSync(join(roots, "20261123T010000.000Z"), join(roots, "20261123T010000.000Z.kept"));
  mkdirSync(join(roots, "20261123T030000.000Z/srv"), { recursive: true });
  writeFileSync(join(roots, "20261123T030000.000Z/srv/only"), "three");
  await subvolume(made.fs.top, "old_roots/mine");
  assert.equal(made.command("restore", "/srv/only", "--to", "/persist/only").status, 0);
  assert.equal(readFileSync(join(made.persist, "only"), "utf8"), "one");
});
