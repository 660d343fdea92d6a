/** `nixfleet emit` and `import`, as a person runs them. What they write, test/nix looks at with Nix. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/local/resources.ts";
import { EXAMPLE, nixfleet, ROOT } from "./nixfleet-process.ts";

test("emit writes a flake that holds the wipe's module itself, and lists what is not the same", async () => {
  await using folder = await temporaryFolder();
  const to = join(folder.path, "flake");
  const { code, stdout, stderr } = await nixfleet(["--fleet", EXAMPLE, "emit", "nixos", "standalone", "--to", to]);
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^wrote .*\/flake\.nix\nwrote .*\/hosts\/standalone\.nix\n\nstandalone: what is not the same on NixOS:\n {2}\w/,
  );
  assert.deepEqual(readdirSync(to).sort(), ["flake.nix", "hosts", "nixfleet"]);
  const same = ["nix/wipe.nix", "nix/README.md", "src/payload/initrd/wipe.sh"];
  for (const name of same) {
    assert.equal(readFileSync(join(to, "nixfleet", name), "utf8"), readFileSync(join(ROOT, name), "utf8"), name);
  }
});

test("what emit and import cannot do they say in one line, and write nothing", async () => {
  await using folder = await temporaryFolder();
  const to = join(folder.path, "flake");
  const emit = ["--fleet", EXAMPLE, "emit"];
  for (const [args, expected, message] of [
    [[...emit, "nixos"], 2, /required option '--to <folder>'/],
    [[...emit, "guix", "--to", to], 1, /^nixfleet: there is no format guix\n {2}write: nixfleet emit nixos\n$/],
    [[...emit, "nixos", "--to", to, "--persistence", "none"], 1, /there is no module none for --persistence/],
    [[...emit, "nixos", "other", "--to", to], 1, /the fleet has no host other/],
    [["import", "nixos", join(folder.path, "none.json")], 1, /there is no .*none\.json here/],
    [["import", "nixos", EXAMPLE], 1, /fleet\.ts is not what nix\/export\.nix writes/],
  ] as const) {
    const { code, stderr, stdout } = await nixfleet(args);
    assert.equal(code, expected, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, "");
  }
  assert.ok(!existsSync(to));
});
