/** Whole folders that persist, and what the closure manages in them: as activation shows it on real mounts. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { tmpfilesConfig } from "../../src/plan/activation.ts";
import type { FilePlan } from "../../src/plan/file-plan.ts";
import { managedConfig, managedFstab, managedInside, PRISTINE } from "../../src/plan/managed.ts";
import { ALICE, activate, CLOSURE, entry, freshRoot, type Root } from "./activation-root.ts";

const SSH = entry("directory", "/etc/ssh", "bind");
const LIB = entry("directory", "/var/lib", "bind");
const KEYS = "/etc/ssh/authorized_keys.d/alice";

test("a declared file in a persisted folder is as declared, and cannot be written; all else there is kept", async () => {
  await using root = await freshRoot([SSH, LIB]);
  const place = (path: string) => join(root.path, path);
  declare(root, [KEYS, "of this closure"]);
  mkdirSync(place("persist/etc/ssh"));
  writeFileSync(place("persist/etc/ssh/mine"), "kept");
  const { report } = activate(root);
  assert.deepEqual(report.problems, []);
  assert.equal(readFileSync(place(KEYS), "utf8"), "of this closure");
  assert.equal(statSync(place(KEYS)).mode & 0o777, 0o640, "with its own mode");
  assert.throws(() => writeFileSync(place(KEYS), "changed"), /EROFS/);
  assert.equal(readFileSync(place("etc/ssh/mine"), "utf8"), "kept");
  writeFileSync(place("etc/ssh/new"), "kept too");
  assert.equal(readFileSync(place("persist/etc/ssh/new"), "utf8"), "kept too");
  assert.equal(readFileSync(place("var/lib/dpkg/status"), "utf8"), "packages of this closure");
  assert.ok(!existsSync(join(root.scratch, "run/pristine/etc")), "nothing of the closure stays mounted elsewhere");
});

test("a file that is declared no more leaves nothing behind, though it was copied to the persist root once", async () => {
  await using root = await freshRoot([SSH, LIB]);
  const place = (path: string) => join(root.path, path);
  mkdirSync(place("persist/etc/ssh/authorized_keys.d"), { recursive: true });
  writeFileSync(place(`persist${KEYS}`), "of another closure");
  declare(root, [KEYS, "of this closure"]);
  activate(root);
  await run("umount", ["--recursive", place("etc/ssh"), place("var/lib")]);
  declare(root);
  const { report } = activate(root);
  assert.deepEqual(report.problems, []);
  assert.equal(readFileSync(place(KEYS), "utf8"), "");
});

test("no link of a user's is followed to show it", async () => {
  await using root = await freshRoot([SSH, LIB]);
  const place = (path: string) => join(root.path, path);
  declare(root, [KEYS, "of this closure"]);
  for (const secret of ["etc/secret", "persist/etc/secret"]) {
    mkdirSync(place(secret), { recursive: true });
    writeFileSync(place(`${secret}/alice`), "secret");
  }
  rmSync(place("persist/etc/ssh/authorized_keys.d"), { recursive: true, force: true });
  mkdirSync(place("persist/etc/ssh"), { recursive: true });
  symlinkSync("../secret", place("persist/etc/ssh/authorized_keys.d"));
  await run("chown", ["--no-dereference", `${ALICE}:${ALICE}`, place("persist/etc/ssh/authorized_keys.d")]);
  const { report } = activate(root);
  for (const secret of ["etc/secret", "persist/etc/secret"]) {
    assert.equal(readFileSync(place(`${secret}/alice`), "utf8"), "secret", secret);
  }
  assert.match(report.problems.join(), /authorized_keys\.d/);
});

/** Makes these what the root's closure declares, besides its packages. */
function declare(root: Root, ...declared: readonly (readonly [path: string, text: string])[]): void {
  const closure = join(root.path, CLOSURE);
  rmSync(join(closure, "root"), { recursive: true, force: true });
  mkdirSync(join(closure, "root/var/lib/dpkg"), { recursive: true });
  writeFileSync(join(closure, "root/var/lib/dpkg/status"), "packages of this closure");
  const files = declared.map(([path, text]): FilePlan => {
    mkdirSync(join(closure, "root", path, ".."), { recursive: true });
    writeFileSync(join(closure, "root", path), text);
    chmodSync(join(closure, "root", path), 0o640);
    return { kind: "text", path, text, mode: "0640" };
  });
  const inside = managedInside([SSH, LIB], files);
  writeFileSync(
    join(closure, "managed.fstab"),
    managedFstab(inside).replaceAll(PRISTINE, join(root.scratch, "run/pristine")),
  );
  writeFileSync(
    join(closure, "tmpfiles.conf"),
    tmpfilesConfig({ entries: [SSH, LIB], parents: [] }) + managedConfig(inside),
  );
}
