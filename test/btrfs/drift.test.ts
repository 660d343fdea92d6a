/** `nixfleet drift`: what it lists, and nothing else, is gone after the next boot. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { run } from "../../src/local/process.ts";
import { HOSTILE_NAMES, UNSEEN } from "../hostile-names.ts";
import { entry } from "./activation-root.ts";
import { type AuditedHost, auditedHost, CLOSURE } from "./audited-host.ts";
import { fillPristine, history, model, perform } from "./root-history.ts";
import { names, subvolume } from "./wipe-filesystem.ts";

interface Drifted {
  readonly path: string;
  readonly pathBytes?: string;
  readonly change: "new" | "changed" | "deleted";
  readonly kind: string;
  readonly size: number;
  readonly files: number;
  readonly by: { readonly kind: string; readonly name: string };
  readonly entry: string | null;
}

function drift(host: AuditedHost, ...args: readonly string[]): Drifted[] {
  const { stdout, stderr } = host.command("drift", "--json", ...args);
  assert.equal(stderr, "");
  return JSON.parse(stdout).drift;
}

const brief = (items: readonly Drifted[]) => items.map(({ change, path }) => `${change} ${path}`);

/** One character a byte. */
const bytesOf = ({ path, pathBytes }: Drifted) =>
  (pathBytes === undefined ? Buffer.from(path) : Buffer.from(pathBytes, "hex")).toString("latin1").slice(1);

test("after any history, what drift lists is what the next boot takes away: no more and no less", async () => {
  await using host = await auditedHost({ pristine: fillPristine });
  let hour = 0;
  await fc.assert(
    fc.asyncProperty(history, async (operations) => {
      await perform(host.root, operations);
      const listed = drift(host);
      const before = model(host.root);
      hour += 1;
      await host.boot(new Date(Date.UTC(2027, 0, 1, hour)).toISOString().replace("T", " ").slice(0, 19));
      const after = model(host.root);
      const marks = new Set(["etc/nixfleet/boot", "etc/nixfleet/fresh"]);
      const lost = [...new Set([...before.keys(), ...after.keys()])].filter(
        (path) => before.get(path) !== after.get(path) && !marks.has(path),
      );
      const whole = (item: Drifted, path: string) =>
        path === bytesOf(item) || (!onlyItself(item, after) && path.startsWith(`${bytesOf(item)}/`));
      const told = (path: string) => listed.some((item) => whole(item, path));
      assert.deepEqual(
        lost.filter((path) => !told(path)),
        [],
        "lost, and not listed",
      );
      const untrue = listed.filter((item) => !lost.includes(bytesOf(item)));
      assert.deepEqual(untrue, [], "listed, and not lost");
    }),
    { numRuns: Number(process.env.NIXFLEET_RUNS ?? 30) },
  );
});

/** A folder of both, of which the owner, mode or attributes are meant. */
function onlyItself({ change, kind, path }: Drifted, after: ReadonlyMap<string, string>): boolean {
  return change === "changed" && kind === "folder" && after.has(path.slice(1));
}

test("what activation makes is no drift, and what lies below a mount is", async () => {
  const entries = [
    entry("directory", "/var/lib/bound", "bind"),
    entry("directory", "/srv/deep/linked", "symlink"),
    entry("file", "/etc/machine-id", "bind"),
    entry("file", "/etc/linked", "symlink"),
    entry("file", "/etc/replaced", "symlink"),
  ];
  await using host = await auditedHost({
    entries,
    pristine: (root) => mkdirSync(join(root, "var/lib"), { recursive: true }),
  });
  const { root } = host;
  for (const folder of ["var/lib/bound", "srv/deep"]) mkdirSync(join(root, folder), { recursive: true });
  symlinkSync("/persist/srv/deep/linked", join(root, "srv/deep/linked"));
  symlinkSync("/persist/etc/linked", join(root, "etc/linked"));
  writeFileSync(join(root, "etc/machine-id"), "");
  await run("rm", [join(root, "etc/nixfleet/fresh")]);
  assert.deepEqual(drift(host), []);
  writeFileSync(join(root, "var/lib/bound/hidden"), "");
  writeFileSync(join(root, "srv/deep/beside"), "");
  writeFileSync(join(root, "etc/replaced"), "as a program saves");
  assert.deepEqual(brief(drift(host)), ["new /etc/replaced", "new /srv/deep/beside", "new /var/lib/bound/hidden"]);
  assert.match(host.command("drift").stdout, /^The next boot takes away:$/m);
});

test("what is ephemeral or a cache is counted, and what to declare for the rest is said", async () => {
  await using host = await auditedHost({
    ephemeral: ["/var/lib/gone"],
    pristine: (root) => {
      for (const folder of ["var/lib", "var/cache", "home/alice"]) mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(
        join(root, "etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\napp:x:300:300::/nonexistent:/bin/false\n",
      );
      writeFileSync(join(root, "etc/group"), "root:x:0:\nalice:x:1000:\napp:x:300:\n");
    },
  });
  const { root } = host;
  for (const folder of ["var/lib/gone", "var/cache/x", "home/alice/.cache/y", "home/alice/.config/z", "var/lib/app"]) {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, "file"), "12345");
  }
  chownSync(join(root, "var/lib/app"), 300, 300);
  chmodSync(join(root, "var/lib/app"), 0o750);
  writeFileSync(join(root, "etc/new.conf"), "");
  const { stdout } = host.command("drift", "--json");
  const report = JSON.parse(stdout);
  assert.deepEqual(report.ephemeral, { paths: 3, size: 15 });
  assert.deepEqual(brief(report.drift), ["new /etc/new.conf", "new /home/alice/.config", "new /var/lib/app"]);
  assert.deepEqual(
    report.drift.map(({ by }: Drifted) => by),
    [
      { kind: "unknown", name: "" },
      { kind: "home", name: "alice" },
      { kind: "account", name: "app" },
    ],
  );
  const text = host.command("drift").stdout;
  assert.match(text, /^Not listed: 3 paths, 15 B/m);
  const declared = text.slice(text.indexOf("  environment:"));
  assert.equal(
    declared.replace(/^ +/gm, ""),
    [
      'environment: { persistence: { "/persist": {',
      "directories: [",
      '{ directory: "/var/lib/app", user: "app", group: "app", mode: "0750" },',
      "],",
      "files: [",
      '"/etc/new.conf",',
      "],",
      "} } },",
      'home: { persistence: { "/persist": {',
      "directories: [",
      '".config",',
      "],",
      "} } },",
      "",
    ].join("\n"),
  );
});

test("a path narrows it, --diff shows a change, --fail is for those who only want to know", async () => {
  await using host = await auditedHost({
    pristine: (root) => {
      writeFileSync(join(root, "etc/hosts"), "before\n");
      mkdirSync(join(root, "srv"));
    },
  });
  assert.equal(host.command("drift", "--fail").status, 0);
  assert.match(host.command("drift").stdout, /^The next boot takes nothing away/);
  writeFileSync(join(host.root, "etc/hosts"), "after\n");
  mkdirSync(join(host.root, "srv/deep/er"), { recursive: true });
  assert.equal(host.command("drift").status, 0);
  assert.equal(host.command("drift", "--fail").status, 1);
  assert.equal(host.command("drift", "--fail", "/opt").status, 0);
  assert.deepEqual(brief(drift(host, "/srv")), ["new /srv/deep"]);
  assert.deepEqual(brief(drift(host, "/srv/deep/er/")), ["new /srv/deep/er"]);
  assert.match(host.command("drift", "--diff", "/etc/hosts").stdout, /^-before\n\+after$/m);
  writeFileSync(join(host.root, "etc/bytes"), Buffer.from([0, 1, 2, 0]));
  assert.match(host.command("drift", "--diff", "/etc/bytes").stderr, /\/etc\/bytes is no text/);
  assert.match(host.command("drift", "--diff", "/none").stderr, /no such file/);
  assert.equal(host.command("drift", "srv").status, 2);
});

test("what is in memory is left out, wherever it is mounted, and that is said", async () => {
  await using host = await auditedHost({
    pristine: (root) => mkdirSync(join(root, "srv/in memory"), { recursive: true }),
  });
  assert.deepEqual(JSON.parse(host.command("drift", "--json").stdout).leftOut, []);
  await run("mount", ["-t", "tmpfs", "tmpfs", join(host.root, "srv/in memory")]);
  mkdirSync(join(host.root, "srv/in memory/inner"));
  await run("mount", ["-t", "tmpfs", "tmpfs", join(host.root, "srv/in memory/inner")]);
  const { drift: found, leftOut } = JSON.parse(host.command("drift", "--json").stdout);
  assert.deepEqual([found, leftOut], [[], ["/srv/in memory"]]);
  assert.match(
    host.command("drift").stdout,
    /^Left out, and gone at the next boot too: \/srv\/in memory \(in memory\)\.$/m,
  );
});

test("no name forges a line or sends something to the terminal, as text or as JSON", async () => {
  await using host = await auditedHost({ pristine: (root) => mkdirSync(join(root, "srv")) });
  for (const [, name] of HOSTILE_NAMES) writeFileSync(Buffer.concat([Buffer.from(`${host.root}/srv/`), name]), "");
  const { stdout } = host.command("drift");
  assert.equal(stdout.match(/^ {4}new {6}\/srv\//gm)?.length, HOSTILE_NAMES.length);
  for (const line of [...stdout.split("\n"), host.command("drift", "--json").stdout.trimEnd()]) {
    assert.doesNotMatch(line, UNSEEN);
  }
  const found = drift(host).map((item) => bytesOf(item).slice("srv/".length));
  assert.deepEqual(found.sort(), HOSTILE_NAMES.map(([, name]) => name.toString("latin1")).sort());
});

test("an attribute, an owner, and another name of a file that was written to are found", async () => {
  await using host = await auditedHost({ pristine: fillPristine });
  await run("setfattr", ["-n", "user.said", "-v", "yes", join(host.root, "etc/a")]);
  chownSync(join(host.root, "etc/b"), 1, 1);
  writeFileSync(join(host.root, "etc/c"), "by one of its names\n");
  assert.deepEqual(brief(drift(host)), ["changed /etc/a", "changed /etc/b", "changed /etc/c", "changed /var/lib/c"]);
});

test("what was written anew as it was is no drift", async () => {
  await using host = await auditedHost({ pristine: fillPristine });
  writeFileSync(join(host.root, "etc/a/new"), "pristine etc/a/a\n");
  renameSync(join(host.root, "etc/a/new"), join(host.root, "etc/a/a"));
  assert.deepEqual(drift(host), []);
});

test("a subvolume of somebody's is drift, with what it holds", async () => {
  await using host = await auditedHost({ pristine: fillPristine });
  await run("btrfs", ["subvolume", "create", join(host.root, "etc/sub")]);
  writeFileSync(join(host.root, "etc/sub/file"), "12345");
  const [found, ...rest] = drift(host);
  assert.deepEqual([found?.path, found?.kind, found?.size, rest], ["/etc/sub", "subvolume", 5, []]);
});

test("a snapshot that a crash has left goes, and what only has its name stays", async () => {
  await using host = await auditedHost();
  await subvolume(host.fs.top, "@root.seen");
  assert.deepEqual(drift(host), []);
  assert.deepEqual(
    names(host.fs).filter((name) => name.startsWith("@root.")),
    [],
  );
  mkdirSync(join(host.fs.top, "@root.seen"));
  writeFileSync(join(host.fs.top, "@root.seen/mine"), "");
  const { status, stderr } = host.command("drift");
  assert.equal(status, 1);
  assert.match(stderr, /@root\.seen is in the way, and is not NixFleet's/);
  assert.deepEqual(names(host.fs, "@root.seen"), ["mine"]);
});

test("where btrfs cannot compare, both are walked, and that is said", async () => {
  await using host = await auditedHost({ pristine: fillPristine });
  writeFileSync(join(host.root, "etc/a/new"), "");
  const compared = drift(host);
  await run("btrfs", [
    "property",
    "set",
    "-f",
    "-ts",
    join(host.fs.top, `@nix/store${CLOSURE.slice("/nix/store".length)}/root`),
    "ro",
    "false",
  ]);
  const { stdout } = host.command("drift", "--json");
  assert.equal(JSON.parse(stdout).compared, "by walking");
  assert.deepEqual(JSON.parse(stdout).drift, compared);
  assert.match(host.command("drift").stdout, /^This root was walked/m);
});

test("what lies in a folder that one package alone ships is of that package", async () => {
  await using host = await auditedHost({ pristine: (root) => mkdirSync(join(root, "srv")) });
  writeFileSync(join(host.fs.top, "@nix", CLOSURE.slice("/nix/".length), "shipped-by.list"), "/srv/www\tapache2\n");
  mkdirSync(join(host.root, "srv/www/pages"), { recursive: true });
  writeFileSync(join(host.root, "srv/other"), "");
  assert.deepEqual(
    drift(host).map(({ path, by }) => `${path} ${by.kind} ${by.name}`),
    ["/srv/other unknown ", "/srv/www package apache2"],
  );
});

test("systemd's own links to private state, and links to what is ephemeral, are no drift", async () => {
  await using host = await auditedHost({
    ephemeral: ["/srv/made"],
    pristine: (root) => {
      for (const folder of ["srv", "var/lib/private"]) mkdirSync(join(root, folder), { recursive: true });
    },
  });
  writeFileSync(join(host.root, "srv/made"), "");
  for (const [path, target] of [
    ["var/lib/app", "private/app"],
    ["var/lib/other", "private/app"],
    ["srv/hash.0", "made"],
    ["srv/mine", "../etc"],
  ] as const)
    symlinkSync(target, join(host.root, path));
  const { drift: found } = JSON.parse(host.command("drift", "--json").stdout);
  assert.deepEqual(
    found.map(({ path }: { path: string }) => path),
    ["/srv/mine", "/var/lib/other"],
  );
});
