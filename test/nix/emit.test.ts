/** `nixfleet emit nixos`: every file evaluated by Nix, and what it says compared with the plan, entry by entry. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { writeFlake } from "../../src/deploy/nixos-flake.ts";
import { type EmittedFile, flakeFiles } from "../../src/emit/nixos/flake.ts";
import { hostOnNixos, type Persistence } from "../../src/emit/nixos/host.ts";
import { nixModule, nixValue } from "../../src/emit/nixos/nix.ts";
import { UserError } from "../../src/errors.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { asNix, Commented } from "../../src/scopes/on-nixos.ts";
import { scopesOnNixos } from "../../src/scopes/scopes-on-nixos.ts";
import { isAsPlanned } from "./as-planned.ts";
import { evaluatedHosts } from "./emitted.ts";
import { fleet } from "./fleet.ts";
import { nix, withoutNix } from "./nix.ts";

const options = { skip: withoutNix };
const hosts = [...fleet.hosts.values()];

for (const persistence of ["preservation", "impermanence"] as const) {
  test(`with ${persistence}, NixOS has of every host what its plan says`, options, async () => {
    await using tool = await nix();
    await using folder = await temporaryFolder();
    const files = emitted(persistence);
    await writeFlake(folder.path, files);
    const evaluated = await evaluatedHosts(tool, folder.path, files);
    assert.deepEqual([...evaluated.keys()].sort(), hosts.map(({ hostName }) => hostName).sort());
    for (const host of hosts) {
      const there = evaluated.get(host.hostName);
      assert.ok(there !== undefined);
      const plan = host.plan();
      assert.deepEqual(there.failed, []);
      isAsPlanned(host, plan, there, persistence);
    }
  });
}

test("the options of every scope are there, and Debian's ways of doing the same are not", options, async () => {
  await using tool = await nix();
  await using folder = await temporaryFolder();
  const files = emitted("preservation");
  await writeFlake(folder.path, files);
  const there = (await evaluatedHosts(tool, folder.path, files)).get("everything");
  assert.ok(there !== undefined);
  for (const name of ["atd", "cron", "fail2ban", "fwupd", "nginx", "openssh", "postgresql", "printing", "tailscale"]) {
    assert.deepEqual(there.services[name], { ...Object(there.services[name]), enable: true }, name);
  }
  assert.deepEqual(there.virtualisation.docker, {
    enable: true,
    daemon: { settings: { "log-driver": "journald", nested: [1, null, { a: true }] } },
  });
  assert.deepEqual(Object.keys(there.environment.etc).sort(), [
    ...["app/link", "app/settings.conf", "crypttab", "hosts", "nixfleet/wipe.conf", "xdg/user-dirs.conf"],
  ]);
  assert.equal(there.environment.etc["app/settings.conf"]?.text, `one = $\{two}\n\n  three = ''four''\n`);
  assert.deepEqual(there.environment.etc["app/link"], { text: null, source: "/etc/hostname", mode: "symlink" });
  assert.deepEqual(Object.keys(there.systemd.services).sort(), [...["backup", "nixfleet-git", "nixfleet-prune"]]);
  assert.deepEqual(there.systemd.services.backup?.after, ["sshd.service"]);
  assert.deepEqual(there.systemd.services.backup?.environment, { TARGET: "/srv/data" });
  assert.deepEqual(Object.keys(there.systemd.units), ["backup.timer"]);
  assert.match(there.systemd.units["backup.timer"]?.text ?? "", /^\[Timer\]\nOnCalendar=daily$/m);
  const packages = there.environment.systemPackages;
  for (const name of ["ripgrep", "fd", "ourTool", "git", "chromium", "gh"])
    assert.ok(packages.includes(`/packages/${name}`), name);
  for (const name of ["sudo", "docker", "not-there"]) assert.ok(!packages.includes(`/packages/${name}`), name);
});

test("a filesystem over two disks names the other one as NixOS calls it", () => {
  const mirrored = hosts.find(({ hostName }) => hostName === "mirrored");
  assert.ok(mirrored !== undefined);
  const { module, lost } = hostOnNixos(mirrored, mirrored.plan(), "preservation");
  assert.match(module, /"-L"\n +"root"\n +"\/dev\/disk\/by-partlabel\/disk-second-root"\n/);
  assert.doesNotMatch(module, /label = "root"/, "both disks have a partition of that name");
  assert.ok(lost.includes("/boot2 gets no boot loader: NixOS keeps the one in /boot"));
});

test("every scope is on one of these hosts", () => {
  const [everything] = hosts;
  const off = Object.entries(scopesOnNixos).filter(([, scope]) => everything && !scope.enabled(everything.config));
  assert.deepEqual(
    off.map(([name]) => name),
    [],
  );
});

test("a package whose name in nixpkgs is not known is an error that says what to write, and never a guess", () => {
  const host = (nixPackages: Record<string, string | null>) =>
    hostWith({ systemPackages: ["git", "our-tool", "other"], nixPackages });
  assert.throws(
    () => hostOnNixos(host({}), host({}).plan(), "preservation"),
    (error) =>
      error instanceof UserError &&
      /2 Debian packages have no name in nixpkgs here: other, our-tool|our-tool, other/.test(error.message) &&
      error.text.includes('nixPackages: { "our-tool": "…", "other": "…" }'),
  );
  const settled = host({ "our-tool": "ourTool", other: null });
  const { module, lost } = hostOnNixos(settled, settled.plan(), "preservation");
  assert.match(module, /pkgs\.git\n +pkgs\.ourTool\n/);
  assert.ok(lost.includes("other is left out, as environment.nixPackages says"));
});

test("a host that NixOS could not boot after a wipe is refused, with what to do", () => {
  const host = mkHost({
    hostName: "bios",
    platform: "x86_64-linux",
    modules: [
      diskoTemplates.btrfsImpermanenceBios({ disk: "/dev/vda" }),
      { nixfleet: { impermanence: { enable: true } } },
    ],
  });
  assert.throws(() => hostOnNixos(host, host.plan(), "preservation"), /bios boots by a BIOS.*GRUB's menu in \/boot/);
});

test("what is lost stands in the file too, and no name in a comment makes a line of its own", () => {
  const [everything] = hosts;
  assert.ok(everything);
  const { module, lost } = hostOnNixos(everything, everything.plan(), "impermanence");
  const comments = `${module.split("\n{", 1)[0]}\n`.replace(/\n# {3}/g, " ");
  for (const line of lost) assert.ok(comments.includes(`# - ${line}\n`), line);
  const forged = nixModule(
    ["a\nb = throw 1;"],
    { list: [new Commented("c\n] ++ [ 1", 2)] },
    new Map([["list", ["d\u001b[2J"]]]),
  );
  assert.ok(
    forged.split("\n").every((line) => !/^\s*(b =|\] \+\+)/.test(line) && !line.includes("\u001b")),
    forged,
  );
});

test("files that are there and say something else stay as they are; the same again is nothing new", async () => {
  await using folder = await temporaryFolder();
  const files = emitted("preservation");
  await writeFlake(folder.path, files);
  await writeFlake(folder.path, files);
  const own = join(folder.path, "hosts", "lasting.nix");
  writeFileSync(own, "{ }\n");
  await assert.rejects(
    writeFlake(folder.path, emitted("impermanence")),
    (error) => error instanceof UserError && error.text.includes(own),
  );
  assert.equal(readFileSync(own, "utf8"), "{ }\n");
  assert.match(readFileSync(join(folder.path, "flake.nix"), "utf8"), /preservation/);
});

test("whatever a value is, Nix reads it back, and the layout is nixfmt's", options, async () => {
  await using tool = await nix();
  const name = fc.oneof(
    fc.constantFrom("if", "a-b", "_x", "1st", "with.dot"),
    fc.string({ unit: "grapheme", maxLength: 8 }),
  );
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom("'", "$", "{", "}", "\\", '"', "\n", " ", "\t", "\r", "a", "é"), maxLength: 24 }),
    fc.string({ unit: "grapheme", maxLength: 12 }),
  );
  const leaf = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(name, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  const values = fc.sample(
    fc.array(
      tree.filter((value) => !JSON.stringify(value).includes("\\u0000")),
      { minLength: 20, maxLength: 20 },
    ),
    20,
  );
  for (const value of values) {
    const printed = nixValue(asNix(value), 0);
    assert.deepEqual(await tool.evaluate(printed), JSON.parse(JSON.stringify(value)), printed);
  }
  const module = { a: { b: { c: 1 } }, list: ["x", { y: "one\ntwo\n" }, []], set: { one: true, two: null } };
  assert.equal(
    nixModule([], module, new Map([["list", ["why"]]])),
    `{ ... }:
{
  a.b.c = 1;

  # why
  list = [
    "x"
    {
      y = ''
        one
        two
      '';
    }
    [ ]
  ];

  set = {
    one = true;
    two = null;
  };
}
`,
  );
});

function emitted(persistence: Persistence): readonly EmittedFile[] {
  return flakeFiles(
    new Map(hosts.map((host) => [host.hostName, hostOnNixos(host, host.plan(), persistence)])),
    persistence,
  );
}

function hostWith(environment: { systemPackages: string[]; nixPackages: Record<string, string | null> }): Host {
  return mkHost({
    hostName: "one",
    platform: "x86_64-linux",
    modules: [diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }), { environment }],
  });
}
