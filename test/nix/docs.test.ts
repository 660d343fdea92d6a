/** What the documents show in Nix is Nix. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { nix, withoutNix } from "./nix.ts";

test("every block of Nix in the documents parses, and every .nix file here", { skip: withoutNix }, async () => {
  await using tool = await nix();
  await using folder = await temporaryFolder();
  const documents = ["nix/README.md", ...readdirSync(join(PACKAGE_ROOT, "docs")).map((name) => `docs/${name}`)];
  let blocks = 0;
  for (const document of documents.filter((name) => name.endsWith(".md"))) {
    const text = readFileSync(join(PACKAGE_ROOT, document), "utf8");
    for (const [, block = ""] of text.matchAll(/^```nix\n(.*?)^```$/gms)) {
      const file = join(folder.path, `${blocks++}.nix`);
      writeFileSync(file, block);
      await assert.doesNotReject(tool.parse(file), `${document}: ${block}`);
    }
  }
  assert.ok(blocks > 2);
  for (const file of ["flake.nix", ...readdirSync(join(PACKAGE_ROOT, "nix")).map((name) => `nix/${name}`)]) {
    if (file.endsWith(".nix")) await tool.parse(join(PACKAGE_ROOT, file));
  }
});

test("the flake exports the module, without a network", { skip: withoutNix }, async () => {
  await using tool = await nix();
  await using folder = await temporaryFolder();
  const copy = join(folder.path, "nixfleet");
  mkdirSync(copy);
  for (const part of ["flake.nix", "nix", "src/payload/initrd"]) {
    cpSync(join(PACKAGE_ROOT, part), join(copy, part), { recursive: true });
  }
  for (const name of ["wipe", "default"]) {
    const isModule = await tool.flake([
      ...["eval", "--json", `path:${copy}#nixosModules.${name}`],
      ...["--apply", "path: builtins.isFunction (import path)"],
    ]);
    assert.equal(isModule.trim(), "true");
  }
});
