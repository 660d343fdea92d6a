import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { type Ended, EXAMPLE, nixfleet, ROOT } from "./nixfleet-process.ts";

/** Runs `check` on a fleet file with this text. */
async function checked(text: string): Promise<Ended> {
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "fleet.ts"), text);
  return await nixfleet(["check"], folder.path);
}

const host = (more: string) => `import { mkFleet, mkHost, diskoTemplates } from "nixfleet";
export default mkFleet([
  mkHost({ hostName: "h", platform: "x86_64-linux", modules: [
    diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    ${more}
  ] }),
]);
`;

const bad: readonly (readonly [what: string, text: string, says: RegExp])[] = [
  ["does not compile", "export const x = {;\n", /fleet\.ts does not compile: .*\n.*fleet\.ts:1/],
  ["uses what Node cannot strip", "enum A { b }\nexport default A;\n", /does not compile: .*enum.*\n.*fleet\.ts:1/],
  ["throws", "const a: any = null;\n\na.b.c;\n", /threw TypeError: .*\n.*fleet\.ts:3/],
  ["throws what is no error", "throw 3;\n", /fleet\.ts threw 3/],
  ["exports nothing", "const a = 1;\n", /exports nothing\n.*export default mkFleet/],
  ["exports no fleet", "export default 3;\n", /exports 3 as default, not a fleet/],
  ["has no default export", "export const fleet = 3;\n", /no default export, only fleet/],
  ["has no hosts", 'import { mkFleet } from "nixfleet";\nexport default mkFleet([]);\n', /has no hosts/],
  ["imports what is not there", 'import "./missing.ts";\n', /missing\.ts/],
  [
    "has an unknown option",
    host("{ nixfleet: { impermanance: { enable: true } } } as any"),
    /no option nixfleet\.impermanance\n.*fleet\.ts:5\n.*did you mean nixfleet\.impermanence/,
  ],
  [
    "has a wrong type",
    host('{ boot: { kernelParams: "quiet" } } as any'),
    /boot\.kernelParams: wanted a list.*got "quiet"\n.*fleet\.ts:5/,
  ],
  [
    "persists a relative path",
    host('{ environment: { persistence: { "/persist": { directories: ["srv"] } } } }'),
    /srv cannot be persisted: it wants an absolute path/,
  ],
];

for (const [what, text, says] of bad) {
  test(`a fleet that ${what} is told so, with file and line, and exit code 1`, async () => {
    const { code, stdout, stderr } = await checked(text);
    assert.equal(code, 1, stderr);
    assert.match(stderr, says);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /this is a bug/);
  });
}

test("check warns of what is redundant where a person says it, and of state where its service cannot have it", async () => {
  const entries = 'persistence: { "/persist": { directories: ["/var/lib", "/var/lib/mine", "/var/log/app"] } }';
  const app =
    'services: { app: { serviceConfig: { ExecStart: "/bin/true", DynamicUser: true, LogsDirectory: "app" } } }';
  const { code, stdout, stderr } = await checked(
    host(`{ nixfleet: { impermanence: { enable: true } }, environment: { ${entries} }, systemd: { ${app} } }`),
  );
  assert.deepEqual([code, stdout], [0, "h: ok\n"]);
  const lines = stderr
    .trim()
    .split("\n")
    .filter((line) => !line.includes("can log in"))
    .sort();
  assert.equal(lines.length, 2, stderr);
  assert.match(lines[0] ?? "", /\/var\/lib\/mine is redundant/);
  assert.match(
    lines[1] ?? "",
    /app\.service has DynamicUser=.*persist "\/var\/log\/private\/app" instead \(declared at/,
  );
});

test("a fleet that is right is ok, and its host unknown by another name", async () => {
  const right = await nixfleet(["--fleet", EXAMPLE, "check"]);
  assert.deepEqual([right.code, right.stdout], [0, "standalone: ok\n"]);
  const { code, stderr } = await nixfleet(["--fleet", EXAMPLE, "plan", "standalon"]);
  assert.equal(code, 1);
  assert.match(stderr, /no host standalon\n.*did you mean standalone/);
});

test("--json prints one document and nothing else", async () => {
  for (const args of [
    ["check"],
    ["plan", "standalone"],
    ["show", "standalone"],
    ["show", "standalone", "users.users.alice.uid", "--why"],
    ["options", "persist"],
  ]) {
    const { code, stdout, stderr } = await nixfleet(["--fleet", EXAMPLE, ...args, "--json"]);
    assert.equal(code, 0, stderr);
    assert.ok(JSON.parse(stdout));
    assert.match(stderr, args[0] === "check" ? /^(\w+: warning: .*\n)*$/ : /^$/);
  }
});

test("show --why says which definitions made a value", async () => {
  const { stdout } = await nixfleet(["--fleet", EXAMPLE, "show", "standalone", "hostSpec.timeZone", "--why"]);
  assert.match(
    stdout,
    /^'Europe\/Paris'\nhostSpec\.timeZone comes from\n .*fleet\.ts:\d+: "Europe\/Paris" \(default, used\)\n$/,
  );
});

test("a machine that is not a host of NixFleet's, and one that is not there, are told so", async () => {
  const { code, stderr } = await nixfleet(["generations"]);
  assert.equal(code, 1);
  assert.match(stderr, process.getuid?.() === 0 ? /this machine: it has no generations/ : /only root can look after/);
  const other = await nixfleet(["gc", "--target-host", "-oProxyCommand=touch owned"]);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /cannot reach -oProxyCommand=touch owned|ssh is not installed/);
  assert.ok(!existsSync(join(ROOT, "owned")));
});

test("what is no generation, no count and no size is refused before anybody is asked", async () => {
  for (const [args, says] of [
    [["rollback", "abc"], /"abc" is not a generation/],
    [["rollback", "--", "--conf"], /"--conf" is not a generation/],
    [["gc", "--keep", "0"], /--keep needs a number of generations, at least 1, got 0/],
    [["image", "standalone", "--format", "vdi"], /vdi is not an image format/],
    [["image", "standalone", "--size", "large"], /"large" is not a size/],
  ] as const) {
    const { code, stderr, stdout } = await nixfleet(["--fleet", EXAMPLE, ...args]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, says);
  }
});

test("wrong usage is exit code 2", async () => {
  for (const args of [["nonsense"], ["plan"], ["check", "--nonsense"], ["wipe"]])
    assert.equal((await nixfleet(args)).code, 2, args.join(" "));
});

test("there is no fleet here: the error says how to begin", async () => {
  await using folder = await temporaryFolder();
  const { code, stderr } = await nixfleet(["check"], folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /no fleet\.ts here\n.*nixfleet init/);
});

test("init makes a fleet that is right, and overwrites nothing", async () => {
  await using folder = await temporaryFolder();
  const fleet = join(folder.path, "my fleet");
  assert.equal((await nixfleet(["init", fleet])).code, 0);
  const begun = await nixfleet(["check"], fleet);
  assert.deepEqual([begun.code, begun.stdout], [0, "myhost: ok\n"]);
  assert.match(
    begun.stderr,
    /^myhost: warning: nobody who may administer this host can log in: .*users\.users\.alice\.openssh.*\n$/,
  );
  const text = readFileSync(join(fleet, "fleet.ts"), "utf8");
  // The line of the template, as its reader uncomments it.
  writeFileSync(join(fleet, "fleet.ts"), text.replace("// users:", "users:"));
  assert.deepEqual(await nixfleet(["check"], fleet), { code: 0, stdout: "myhost: ok\n", stderr: "" });
  writeFileSync(join(fleet, "fleet.ts"), readFileSync(join(fleet, "fleet.ts"), "utf8").replace('"alice"', "7"));
  const wrong = await nixfleet(["check"], fleet);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /hostSpec\.userName: wanted a user name.*got 7\n +at fleet\.ts:\d+/);
  assert.doesNotMatch(wrong.stderr, /TS\d+/);
  writeFileSync(join(fleet, "fleet.ts"), `${text}\nexport const mistake: string = 7;\n`);
  const typed = await nixfleet(["check"], fleet);
  assert.equal(typed.code, 1);
  assert.match(typed.stderr, /a type error\n +fleet\.ts\(\d+,\d+\): error TS2322/);
  const again = await nixfleet(["init", fleet]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /already has fleet\.ts/);
  for (const [file, text] of [
    ["tsconfig.json", "{}"],
    ["package.json", '{ "type": "commonjs" }'],
  ] as const) {
    const other = await temporaryFolder(folder.path);
    writeFileSync(join(other.path, file), text);
    assert.equal((await nixfleet(["init", other.path], folder.path)).code, 1);
    assert.deepEqual(readdirSync(other.path), [file], "nothing is written when something is in the way");
  }
});

test("init goes into a folder that npm has begun, and keeps what its package.json says", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "package.json");
  writeFileSync(file, '{ "dependencies": { "left": "1" }, "devDependencies": { "right": "1" } }');
  assert.deepEqual(await nixfleet(["init"], folder.path), { code: 0, stdout: "nixfleet check\n", stderr: "" });
  const { type, dependencies, devDependencies } = JSON.parse(readFileSync(file, "utf8"));
  assert.deepEqual(
    [type, dependencies, Object.keys(devDependencies)],
    ["module", { left: "1" }, ["right", "nixfleet"]],
  );
  for (const argv of [
    ["nixfleet", "check"],
    ["tsc", "--noEmit"],
  ] as const) {
    await run(join(folder.path, "node_modules", ".bin", argv[0]), argv.slice(1), { cwd: folder.path });
  }
});

test("a device that does not exist is told so", async () => {
  const { code, stderr } = await nixfleet(["wipe", "--device", "/dev/no-such-device"]);
  assert.equal(code, 1);
  assert.match(stderr, /there is no device \/dev\/no-such-device/);
});

test("check --built of a host that is not built names the command that builds it, and exits with 1", async () => {
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "fleet.ts"), host("{ nixfleet: { impermanence: { enable: true } } }"));
  const { code, stdout, stderr } = await nixfleet(["check", "--built", "--json"], folder.path);
  assert.equal(code, 1);
  assert.match(stderr, /h: the current declaration is not built\n {2}run: nixfleet build h\nnixfleet: 1 of 1 hosts/);
  assert.match(JSON.parse(stdout)[0].problems[0].fix, /nixfleet build h/);
});

test("check --built has nothing to say of a root that stays", async () => {
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "fleet.ts"), host(""));
  const { code, stdout } = await nixfleet(["check", "--built"], folder.path);
  assert.deepEqual([code, stdout], [0, "h: ok\n"]);
});
