/** `nixfleet root-digest`: what the root was when a boot had made it, whatever has become of it since. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { type AuditedHost, auditedHost } from "./audited-host.ts";
import { names, prune } from "./wipe-filesystem.ts";

const pristine = (root: string) => {
  writeFileSync(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
  mkdirSync(join(root, "srv"));
};

/** As a boot does: activation makes this of the root, and then the snapshot is taken. */
async function boot(
  made: AuditedHost,
  now: string,
  activation: () => void | Promise<void> = () => {},
): Promise<Answer> {
  await made.boot(now);
  writeFileSync(join(made.root, "etc/nixfleet/boot"), `${now}\n/nix/store/abc-nixfleet-test\n`);
  await activation();
  await run("btrfs", ["-q", "subvolume", "snapshot", "-r", made.root, join(made.root, "etc/nixfleet/made")]);
  return answer(made);
}

interface Answer {
  readonly digest: string;
  readonly bootId: string;
  readonly own: readonly { readonly path: string }[];
  readonly list: readonly { readonly path: string; readonly mode: string; readonly content: string }[];
}

function answer(made: AuditedHost): Answer {
  const { status, stdout, stderr } = made.command("root-digest", "--list", "--json");
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test("it is the same at each boot of a closure, and what runs afterwards does not change it", async () => {
  await using made = await auditedHost({ pristine });
  const first = await boot(made, "2026-11-23 01:00:00");
  writeFileSync(join(made.root, "etc/hosts"), "changed\n");
  mkdirSync(join(made.root, "srv/new"));
  assert.equal(answer(made).digest, first.digest);
  assert.ok(!made.command("drift", "--json").stdout.includes("/made"), "no drift");
  const second = await boot(made, "2027-01-01 00:00:00", () => utimesSync(join(made.root, "srv"), 1, 1));
  assert.equal(second.digest, first.digest);
  assert.notEqual(second.bootId, first.bootId);
  assert.deepEqual(
    first.own.map(({ path }) => path),
    ["/etc/nixfleet/boot"],
  );
  assert.ok(first.list.some(({ path }) => path === "/etc/hosts"));
});

for (const [what, change] of [
  ["content", (root: string) => writeFileSync(join(root, "etc/hosts"), "127.0.0.1 localhosT\n")],
  ["a mode", (root: string) => chmodSync(join(root, "etc/hosts"), 0o600)],
  ["an owner", (root: string) => chownSync(join(root, "srv"), 0, 1)],
  ["an attribute", (root: string) => run("setfattr", ["-n", "user.x", "-v", "y", join(root, "srv")])],
  ["a link", (root: string) => symlinkSync("/", join(root, "srv/link"))],
  ["a name with a line break", (root: string) => writeFileSync(join(root, "srv/a\nb"), "")],
  ["a path that is gone", (root: string) => rmSync(join(root, "srv"), { recursive: true })],
] as const) {
  test(`another root, in ${what}, has another digest`, async () => {
    await using made = await auditedHost({ pristine });
    const first = await boot(made, "2026-11-23 01:00:00");
    const second = await boot(made, "2026-11-23 02:00:00", () => change(made.root) as void | Promise<void>);
    assert.notEqual(second.digest, first.digest);
  });
}

test("it goes with its root when that is pruned", async () => {
  await using made = await auditedHost({ pristine });
  await boot(made, "2026-11-23 01:00:00");
  await boot(made, "2026-11-23 02:00:00");
  const { report } = prune(made.fs, { RETENTION_DAYS: 0, KEEP_NEWEST: 0, NOW: "2027-01-01 00:00:00" });
  assert.equal(report.pruned.length, 2);
  assert.deepEqual(names(made.fs, "old_roots"), []);
});

test("names and where links lead are only names", async () => {
  await using made = await auditedHost({ pristine });
  await boot(made, "2026-11-23 01:00:00", () =>
    symlinkSync("/x\n\x1b[31mforged", join(made.root, "srv/a\nfile  0644")),
  );
  const { stdout } = made.command("root-digest", "--list");
  const lines = stdout.split("\n").filter((line) => line.includes("forged"));
  assert.deepEqual(lines, ["link  0777  0:0  /x\\n\\x1b[31mforged  /srv/a\\nfile  0644"]);
});

test("where no boot has made one, or somebody else has, it is refused", async () => {
  await using made = await auditedHost({ pristine });
  assert.match(made.command("root-digest").stderr, /there is no .*\/etc\/nixfleet\/made, which a boot makes/);
  await run("btrfs", ["-q", "subvolume", "create", join(made.root, "etc/nixfleet/made")]);
  assert.equal(made.command("root-digest").status, 1, "it can be written");
});
