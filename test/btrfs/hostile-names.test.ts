/** Names of real files, labels and partitions, on their way to root's console, the journal, each login and a terminal. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspectDevice } from "../../src/disk/device.ts";
import { UserError } from "../../src/errors.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { HOSTILE_NAMES, UNSEEN } from "../hostile-names.ts";
import { activate, freshRoot } from "./activation-root.ts";
import { auditedHost } from "./audited-host.ts";

test("a file's name says nothing else than itself: on the console, in the report, in `nixfleet status`, at a login", async () => {
  await using root = await freshRoot([]);
  const keys = join(root.path, "persist/home/alice/.keys");
  mkdirSync(keys);
  for (const [, name] of HOSTILE_NAMES) {
    const path = Buffer.concat([Buffer.from(`${keys}/`), name]);
    writeFileSync(path, "");
    linkSync(path, Buffer.concat([path, Buffer.from(".other")])); // it has several names, so it is left as it is
  }
  const { stderr, report } = activate(root, { KEYS: "alice /persist/home/alice/.keys" });
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines.length, 20);
  assert.ok(
    lines.every((line) => line.startsWith("nixfleet: not changed, because it has several hard links: /")) ||
      lines.at(-1) === "nixfleet: and more",
  );
  assert.equal(report.problems.length, 20);

  const scripts = join(root.scratch, "etc");
  for (const folder of ["host", "initrd"]) cpSync(join(WIPE_SCRIPT, "../..", folder), scripts, { recursive: true });
  const motd = join(root.scratch, "motd");
  const env = { ...process.env, RUNTIME: join(root.scratch, "run"), MOTD: motd };
  const status = spawnSync("/bin/sh", [join(scripts, "status.sh")], { encoding: "utf8", env });
  const json = spawnSync("/bin/sh", [join(scripts, "status.sh"), "--json"], { encoding: "utf8", env });
  const announced = spawnSync("/bin/sh", [join(scripts, "announce.sh")], { encoding: "utf8", env });
  assert.equal(status.status, 1);
  assert.match(status.stdout, /several hard links: .*a\\x9b31m/);
  assert.equal(await run("cat", [motd]), announced.stdout);
  for (const text of [stderr, status.stdout, announced.stdout, json.stdout]) {
    for (const line of text.split("\n")) assert.doesNotMatch(line, UNSEEN);
  }
  assert.deepEqual(JSON.parse(json.stdout).activation.problems, report.problems);
});

test("a path says nothing else than itself in every command that looks at roots", async () => {
  await using host = await auditedHost({ pristine: (root) => mkdirSync(join(root, "srv")) });
  await host.generation(1, "abc-nixfleet-test", {});
  await host.generation(2, "new-nixfleet-test", {});
  assert.equal(host.command("state", "boot").status, 0);
  const named = (folder: string, name: Buffer) => Buffer.concat([Buffer.from(`${folder}/`), name]);
  for (const [, name] of HOSTILE_NAMES) {
    writeFileSync(named(join(host.root, "srv"), name), "");
    writeFileSync(named(host.persist, name), "");
  }
  await host.boot("2026-11-23 01:00:00");
  assert.equal(host.command("state", "switch", "/nix/store/new-nixfleet-test").status, 0);
  for (const [, name] of HOSTILE_NAMES) writeFileSync(named(host.persist, name), "changed");
  const quiet = (lines: number, ...command: readonly [string, ...string[]]) => {
    const { stdout, stderr } = host.command(...command);
    const all = `${stdout}${stderr}`.trimEnd().split("\n");
    assert.ok(all.length >= lines, `${command}: ${all}`);
    for (const line of all) assert.doesNotMatch(line, UNSEEN, command[0]);
  };
  for (const asJson of [[], ["--json"]]) {
    const lines = asJson.length === 0 ? HOSTILE_NAMES.length : 1;
    quiet(lines, "roots", "diff", "newest", ...asJson);
    quiet(lines, "roots", "diff", "newest", "now", ...asJson);
    quiet(lines, "state", "diff", "1", ...asJson);
    for (const [, bytes] of HOSTILE_NAMES) {
      const name = bytes.toString();
      if (!Buffer.from(name).equals(bytes)) continue; // no argument of a test's can be that
      quiet(1, "why", `/srv/${name}`, ...asJson);
      quiet(1, "restore", `/srv/${name}`, ...asJson);
      quiet(1, "restore", `/srv/${name}`, "--to", `/persist/${name}.${asJson.length}`, ...asJson);
      quiet(1, "restore", `/none/${name}`, ...asJson);
      quiet(1, "state", "restore", `/persist/${name}`, "--from", "1", ...asJson);
      quiet(1, "stray", "remove", `/persist/${name}`, ...asJson);
      quiet(1, "stray", "trash", ...asJson);
      quiet(1, "stray", "undo", ...asJson);
      quiet(1, "drift", "--diff", `/srv/${name}`, ...asJson);
    }
  }
});

test("labels and partitions of a disk say nothing else than themselves", async () => {
  await using folder = await temporaryFolder();
  for (const [what, bytes] of HOSTILE_NAMES) {
    const name = bytes.toString();
    if (!Buffer.from(name).equals(bytes) || name.includes("\n")) continue; // sfdisk would take neither
    const image = join(folder.path, "image");
    writeFileSync(image, "");
    await run("truncate", ["--size=16M", image]);
    await run("sfdisk", ["--quiet", image], { input: `label: gpt\nstart=2048, size=8192\n` });
    await run("sfdisk", ["--quiet", "--part-label", image, "1", name]);
    await run("mkfs.ext4", ["-q", "-F", "-E", `offset=${2048 * 512}`, "-L", bytes.toString().slice(0, 8), image, "4M"]);
    const device = (await run("losetup", ["--find", "--show", image])).trim();
    try {
      const { contents } = await inspectDevice(device);
      assert.match(contents.join("\n"), /partition .* labelled a/, what);
      for (const line of new UserError("it holds", contents).text.split("\n")) assert.doesNotMatch(line, UNSEEN, what);
    } finally {
      await run("losetup", ["--detach", device]);
    }
  }
});
