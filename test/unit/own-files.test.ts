import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planOf } from "../../src/deploy/load-fleet.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { hostWith, planWith } from "./host.ts";

type Modules = Parameters<typeof hostWith>;

async function fleetFolder() {
  const folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  mkdirSync(at("app/bin"), { recursive: true });
  mkdirSync(at("app/empty"));
  writeFileSync(at("app/bin/run"), Buffer.from([0, 255, 10]));
  chmodSync(at("app/bin/run"), 0o700);
  writeFileSync(at("app/data"), "data");
  chmodSync(at("app/data"), 0o640);
  symlinkSync("bin/run", at("app/start"));
  return { ...folder, at, plan: (...modules: Modules) => planOf(hostWith(...modules), folder.path) };
}

const hash = (bytes: string | Buffer) => createHash("sha256").update(bytes).digest("hex");

test("a file and a tree of the fleet's folder are files of the host, by their hashes, with what may be run", async () => {
  await using folder = await fleetFolder();
  const own = (plan: ReturnType<typeof planWith>) => plan.files.filter(({ path }) => /^\/opt|own/.test(path));
  const declared = {
    environment: {
      etc: { "own.conf": { source: "app/data", mode: "0600" } },
      opt: { app: { source: "app" }, off: { enable: false, source: "nowhere" } },
    },
  };
  const plan = folder.plan(declared);
  assert.deepEqual(own(plan), [
    { kind: "copy", path: "/etc/own.conf", source: "app/data", sha256: hash("data"), mode: "0600" },
    {
      kind: "copy",
      path: "/opt/app/bin/run",
      source: "app/bin/run",
      sha256: hash(Buffer.from([0, 255, 10])),
      mode: "0755",
    },
    { kind: "copy", path: "/opt/app/data", source: "app/data", sha256: hash("data"), mode: "0644" },
    { kind: "symlink", path: "/opt/app/start", target: "bin/run" },
  ]);
  assert.equal(plan.own, undefined);
  writeFileSync(folder.at("app/data"), "other");
  assert.notDeepEqual(own(folder.plan(declared)), own(plan), "another content is another host");
});

test("what is not there, leads out of the folder, or meets something else is refused with its path", async () => {
  await using folder = await fleetFolder();
  await using outside = await temporaryFolder();
  writeFileSync(join(outside.path, "secret"), "");
  symlinkSync(outside.path, folder.at("out"));
  const opt = (files: Readonly<Record<string, { source?: string; text?: string }>>) => ({
    environment: { opt: files },
  });
  for (const [module, says] of [
    [opt({ app: { source: "nothing" } }), /there is no .*\/nothing\n.*by their path from fleet\.ts/],
    [opt({ app: { source: "out/secret" } }), /out\/secret is not in the fleet's folder/],
    [opt({ app: { source: "app" }, "app/data": { text: "x" } }), /\/opt\/app\/data is declared twice/],
    [opt({ app: { source: "app", text: "x" } }), /wants one of `text`, `source` and `target`/],
    [opt({ app: { source: "../app" } }), /a path below the fleet's folder/],
    [opt({ app: { source: "/etc/passwd" } }), /a path below the fleet's folder/],
    [opt({ app: { source: "app/./data" } }), /a path below the fleet's folder/],
    [opt({ "../x": { text: "" } }), /is not a path below \/opt/],
    [{ nixfleet: { debian: { debs: ["missing.deb"] } } }, /there is no .*missing\.deb/],
  ] as const) {
    assert.throws(
      () => folder.plan(module),
      (error) => error instanceof UserError && says.test(error.text),
      String(says),
    );
  }
  const persisted = { environment: { persistence: { "/persist": { directories: ["/opt/app/bin"] } } } };
  assert.throws(() => folder.plan(opt({ app: { source: "app" } }), persisted), /\/opt\/app/);
});

test("package files are in the request for packages by their hashes, and without them it is as it was", async () => {
  await using folder = await fleetFolder();
  writeFileSync(folder.at("x.deb"), "x");
  const { packages } = folder.plan({ nixfleet: { debian: { debs: ["x.deb"] } } });
  assert.deepEqual(packages.debs, [{ file: "x.deb", sha256: hash("x") }]);
  assert.ok(!("debs" in folder.plan().packages) && !("own" in planWith()));
});
