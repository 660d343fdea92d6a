/** `nixfleet why`: what becomes of a path, and who says so, for whoever asks. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { entry } from "./activation-root.ts";
import { auditedHost } from "./audited-host.ts";

test("each path has its fate, with who says so", async () => {
  const app = entry("directory", "/var/lib/app", "bind", { declaredAt: ["fleet.ts:12"], purpose: "the app's notes" });
  await using host = await auditedHost({
    entries: [app],
    ephemeral: ["/var/lib/gone"],
    pristine: (root) => {
      for (const folder of ["var/lib", "srv", "run"]) mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, "etc/hosts"), "");
      writeFileSync(join(root, "etc/passwd"), "alice:x:1000:1000::/home/alice:/bin/sh\n");
      symlinkSync("/run", join(root, "var/run"));
    },
  });
  await run("mount", ["-t", "tmpfs", "tmpfs", join(host.root, "run")]);
  for (const file of ["srv/new", "run/file", "persist/stray", "srv/of-alice"]) writeFileSync(join(host.root, file), "");
  await run("chown", ["1000", join(host.root, "srv/of-alice")]);
  for (const [path, fate, because] of [
    [
      "/var/lib/app/x",
      "kept",
      /persists: by the entry \/var\/lib\/app, declared at fleet\.ts:12, for the app's notes; its data is \/persist\/var\/lib\/app\/x/,
    ],
    [
      "/persist/var/lib/app/x",
      "kept",
      /is on the persist root \/persist, where the entry \/var\/lib\/app has its data/,
    ],
    ["/persist/stray", "kept", /claimed by no entry: nixfleet stray/],
    ["/etc/hosts", "closure", /is of the closure: every boot creates it/],
    ["/usr/bin/sh", "closure", /is of the packages, read-only/],
    ["/var/lib/gone/x", "ephemeral", /\/var\/lib\/gone is declared ephemeral/],
    ["/var/cache/x", "ephemeral", /goes at the next boot, and is meant to: \/var\/cache is for caches/],
    ["/home/alice/.cache/x", "ephemeral", /\/home\/alice\/\.cache is for caches/],
    ["/srv/new", "lost", /is drift: it is gone at the next boot; nixfleet drift \/srv\/new says how to keep it/],
    ["/srv/of-alice", "lost", /owned by alice/],
    ["/srv/none", "lost", /would be gone/],
    ["/run/file", "lost", /in memory/],
    ["/var/run/file", "lost", /in memory/],
  ] as const) {
    const answer = JSON.parse(host.command("why", path, "--json").stdout);
    assert.equal(answer.fate, fate, path);
    assert.match(answer.because, because, path);
    assert.match(host.command("why", path).stdout, because);
  }
  assert.match(host.command("why", "/var/run/file").stdout, /is below a link: \/var\/run -> \/run/);
  writeFileSync(join(host.root, "etc/hosts"), "changed");
  assert.match(host.command("why", "/etc/hosts").stdout, /was changed here: nixfleet drift --diff \/etc\/hosts/);
  for (const wrong of ["srv", "/../etc", "/"]) assert.notEqual(host.command("why", wrong).status, 0, wrong);
  await run("chmod", ["755", host.fs.scratch]);
  const argv = [
    "--reuid=65534",
    "--clear-groups",
    "sh",
    join(host.fs.scratch, "etc/why.sh"),
    "--conf",
    join(host.fs.scratch, "audit.conf"),
    "/srv/new",
  ];
  const asNobody = spawnSync("setpriv", argv, { encoding: "utf8" });
  assert.match(asNobody.stdout, /is drift/, "no privilege is needed to look where one may look");
});
