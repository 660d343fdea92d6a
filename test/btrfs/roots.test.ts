/** `nixfleet roots`: what old roots there are, what their wipes took away, which of them stay. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { readReport } from "../../src/payload/reports.ts";
import { HOSTILE_NAMES, UNSEEN } from "../hostile-names.ts";
import { type AuditedHost, auditedHost, BOOT_ID, CLOSURE } from "./audited-host.ts";
import { names, prune, subvolume } from "./wipe-filesystem.ts";

const SECOND = "20261123T010000.000Z";
const THIRD = "20261123T020000.000Z";

/** Two old roots: with `note` of one text and of another. */
async function twice(host: AuditedHost): Promise<void> {
  for (const [text, now] of [
    ["one", "2026-11-23 01:00:00"],
    ["two", "2026-11-23 02:00:00"],
  ] as const) {
    mkdirSync(join(host.root, "srv"), { recursive: true });
    writeFileSync(join(host.root, "srv/note"), `${text}\n`.repeat(5000));
    await host.boot(now);
  }
}

const list = (host: AuditedHost) => JSON.parse(host.command("roots", "--json").stdout);

test("each old root is listed with its boot, its closure, and when it is due", async () => {
  await using host = await auditedHost();
  await twice(host);
  mkdirSync(join(host.fs.top, "nix", "x"), { recursive: true });
  const [first, second] = list(host);
  assert.deepEqual(first, {
    name: SECOND,
    bootId: BOOT_ID,
    closure: CLOSURE,
    generation: null,
    kept: false,
    mounted: false,
    retired: Date.UTC(2026, 10, 23, 1) / 1000,
    due: null,
    size: null,
  });
  assert.equal(second.name, THIRD);
  await subvolume(host.fs.top, "old_roots/20250101T000000.000Z", "old_roots/20250102T000000.000Z.kept");
  const [oldest, kept] = list(host);
  assert.deepEqual(
    [oldest.name, oldest.bootId, oldest.due, oldest.closure],
    ["20250101T000000.000Z", null, null, null],
  );
  assert.deepEqual([kept.name, kept.kept, kept.due], ["20250102T000000.000Z.kept", true, null]);
  await subvolume(host.fs.top, "old_roots/20260101T000000.000Z");
  assert.equal(list(host)[0].due, Date.UTC(2025, 0, 31) / 1000, "now it is none of the newest three");
  assert.equal(list(host).at(-1).size, null, "nobody has measured it");
  await subvolume(host.fs.top, "old_state/20261123T000000.000Z/0");
  writeFileSync(join(host.fs.top, "old_state/20261123T000000.000Z/0/data"), Buffer.alloc(2 ** 20, 1));
  await run("sync", ["-f", host.fs.top]);
  assert.equal(host.command("roots", "measure").status, 0);
  assert.ok(list(host).at(-1).size > 0);
  assert.match(
    host.command("roots").stdout,
    /holds 2\d.\d KiB for itself\nOld roots \(5\) hold .* are free\.\nThat was measured at 2026-11-24 00:00:00; /,
  );
  const room = readReport(readFileSync(join(host.fs.scratch, "run/room.report"), "utf8"));
  assert.match(
    room("said")[0] ?? "",
    /^Old roots \(5\) hold \d.* that nothing else has, snapshots of what persists 1\.0 MiB, the closures of generations .*; .* MiB are free\.$/,
  );
  const sized = JSON.parse(host.command("roots", "--size", "--json").stdout);
  assert.ok(sized.at(-1).size > 0, "it holds the note");
  assert.match(host.command("roots").stdout, /^20250101T000000\.000Z {2}generation \? {2}boot \? {2}is due$/m);
  assert.match(
    host.command("roots", "show", "20261123T01").stdout,
    new RegExp(`closure +${CLOSURE}\n.*boot id +${BOOT_ID}`),
  );
});

test("what a wipe took away is what the root held beside its closure", async () => {
  await using host = await auditedHost();
  await twice(host);
  const { drift } = JSON.parse(host.command("roots", "diff", SECOND, "--json").stdout);
  assert.deepEqual(
    drift.map(({ path, change }: { path: string; change: string }) => [path, change]),
    [["/srv", "new"]],
  );
  assert.match(host.command("roots", "diff", SECOND).stdout, /^The wipe of \S+ took away:/);
  const between = JSON.parse(host.command("roots", "diff", SECOND, THIRD, "--json").stdout);
  const noted = between.filter(({ path }: { path: string }) => path.startsWith("/srv"));
  assert.deepEqual(
    noted.map(({ path, change }: { path: string; change: string }) => [path, change]),
    [["/srv/note", "changed"]],
  );
  const now = JSON.parse(host.command("roots", "diff", THIRD, "now", "--json").stdout);
  assert.ok(now.some(({ path, change }: { path: string; change: string }) => path === "/srv" && change === "deleted"));
  assert.deepEqual(
    names(host.fs).filter((name) => name.startsWith("@root.")),
    [],
    "no snapshot is left",
  );
});

test("a root that is kept is pruned by nobody, and is what it was when it is released", async () => {
  await using host = await auditedHost();
  await twice(host);
  assert.deepEqual(JSON.parse(host.command("roots", "keep", SECOND, "--json").stdout), { name: `${SECOND}.kept` });
  const later = { RETENTION_DAYS: 0, KEEP_NEWEST: 0, NOW: "2027-11-23 00:00:00" };
  assert.deepEqual(prune(host.fs, later).report.pruned, [THIRD]);
  assert.deepEqual(names(host.fs, "old_roots"), [`${SECOND}.kept`]);
  const dropped = host.command("roots", "drop", SECOND);
  assert.equal(dropped.status, 1);
  assert.match(dropped.stderr, /is kept; first: nixfleet roots release/);
  assert.deepEqual(JSON.parse(host.command("roots", "release", "--json", SECOND).stdout), { name: SECOND });
  assert.deepEqual(prune(host.fs, later).report.pruned, [SECOND]);
});

test("the next root has a later name than one that is kept, whatever the clock says", async () => {
  await using host = await auditedHost();
  await twice(host);
  host.command("roots", "keep", THIRD);
  const { report } = await host.boot("2020-01-01 00:00:00");
  assert.equal(report.retired, "20261123T020000.001Z");
});

test("only what is named is deleted, with what is nested in it, and nothing that is mounted", async () => {
  await using host = await auditedHost();
  await twice(host);
  await subvolume(host.fs.top, `old_roots/${SECOND}/nested`);
  assert.match(host.command("roots", "drop", "20261123").stderr, /more than one old root begins with 20261123/);
  assert.match(host.command("roots", "drop", "@persist").stderr, /there is no old root @persist/);
  assert.match(host.command("roots", "drop", "../@persist").stderr, /there is no old root/);
  const folder = join(host.fs.scratch, "seen");
  mkdirSync(folder);
  const mounted = host.command("roots", "mount", SECOND, folder);
  assert.equal(mounted.status, 0, mounted.stderr);
  assert.match(readFileSync(join(folder, "srv/note"), "utf8"), /^one\n/);
  assert.throws(() => writeFileSync(join(folder, "srv/note"), ""), /EROFS/);
  assert.equal(list(host)[0].mounted, true);
  assert.match(host.command("roots", "drop", SECOND).stderr, /is mounted/);
  await run("umount", [folder]);
  const dropped = host.command("roots", "drop", SECOND);
  assert.equal(dropped.stdout, `the old root ${SECOND} is deleted\n`);
  assert.deepEqual(names(host.fs, "old_roots"), [THIRD]);
  const again = JSON.parse(host.command("roots", "mount", THIRD, folder, "--json").stdout);
  assert.deepEqual(again, { name: THIRD, folder });
  await run("umount", [folder]);
  assert.deepEqual(JSON.parse(host.command("roots", "drop", THIRD, "--json").stdout), { name: THIRD });
  assert.equal(readFileSync(join(host.persist, "precious"), "utf8"), "precious\n");
});

test("a folder of an old root is shown without following anybody's link, and names are only names", async () => {
  await using host = await auditedHost();
  mkdirSync(join(host.root, "srv"));
  for (const [, name] of HOSTILE_NAMES) writeFileSync(Buffer.concat([Buffer.from(`${host.root}/srv/`), name]), "");
  symlinkSync("/etc", join(host.root, "srv/link"));
  await host.boot("2026-11-23 01:00:00");
  const shown = host.command("roots", "show", SECOND, "/srv");
  assert.equal(shown.stdout.trimEnd().split("\n").length, HOSTILE_NAMES.length + 1);
  for (const line of shown.stdout.split("\n")) assert.doesNotMatch(line, UNSEEN);
  assert.match(shown.stdout, /link -> \/etc$/m);
  assert.match(host.command("roots", "show", SECOND, "/srv/link/passwd").stderr, /is a link, which is not followed/);
  assert.match(host.command("roots", "show", SECOND, "/srv/../../@persist").stderr, /has no \.\./);
  const all = JSON.parse(host.command("roots", "show", SECOND, "/srv", "--json").stdout);
  const bytes = all.map((one: { name: string; nameBytes?: string }) =>
    Buffer.from(one.nameBytes ?? one.name, one.nameBytes === undefined ? "utf8" : "hex").toString("hex"),
  );
  assert.deepEqual(
    bytes.sort(),
    [...HOSTILE_NAMES.map(([, name]) => name), Buffer.from("link")].map((name) => name.toString("hex")).sort(),
  );
});
