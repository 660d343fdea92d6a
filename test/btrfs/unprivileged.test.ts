/** Who is not root sees what they may see, and is told where that is nothing. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type AuditedHost, auditedHost } from "./audited-host.ts";

const USER = ["--reuid=4000", "--regid=4000", "--clear-groups", "--"];

function asUser({ fs }: AuditedHost, name: string, ...args: readonly string[]) {
  const script = [join(fs.scratch, `etc/${name}.sh`), "--conf", join(fs.scratch, "audit.conf"), ...args];
  const env = { ...process.env, RUNTIME: join(fs.scratch, "run") };
  const { status, stdout, stderr } = spawnSync("setpriv", [...USER, "/bin/sh", ...script], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

test("a user sees with drift, stray and why what they may see, and is told what they may not", async () => {
  await using host = await auditedHost();
  chmodSync(host.fs.scratch, 0o755);
  mkdirSync(join(host.root, "srv/secret"), { recursive: true });
  chmodSync(join(host.root, "srv/secret"), 0o700);
  writeFileSync(join(host.root, "srv/note"), "");
  const drift = asUser(host, "drift", "--json");
  assert.equal(drift.status, 0, drift.stderr);
  const { compared, drift: found, unread } = JSON.parse(drift.stdout);
  assert.deepEqual([compared, found.map(({ path }: { path: string }) => path)], ["by walking", ["/srv"]]);
  assert.equal(unread, 1);
  const stray = JSON.parse(asUser(host, "stray", "--json").stdout);
  assert.deepEqual(
    stray.stray.map(({ path }: { path: string }) => path),
    ["/persist/precious"],
  );
  assert.equal(JSON.parse(asUser(host, "why", "/srv/note", "--json").stdout).fate, "lost");
});

for (const [command, ...args] of [
  ["roots"],
  ["roots", "mount", "newest"],
  ["restore", "/srv/note"],
  ["state"],
  ["root-digest"],
  ["stray", "remove", "/persist/precious"],
  ["stray", "undo"],
] as const) {
  test(`${[command, ...args].join(" ")} says to who is not root that it needs root`, async () => {
    await using host = await auditedHost();
    chmodSync(host.fs.scratch, 0o755);
    const { status, stdout, stderr } = asUser(host, command, ...args);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, /^nixfleet: only root can .*: run it with sudo\n$/);
  });
}
