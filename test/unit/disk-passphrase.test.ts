import { equal, rejects } from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { checkKeys, passphraseIn } from "../../src/disk/passphrase.ts";
import type { DiskLayout } from "../../src/layout/gpt.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { encrypted, esp, luksContent, plain } from "./disk-layout.ts";

test("a passphrase is the text of its file, without the line break that an editor adds", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "passphrase");
  for (const text of ["correct horse ", "correct horse \n", "correct horse \n\n"]) {
    await writeFile(file, text);
    equal(await passphraseIn(file), "correct horse ");
  }
});

test("a passphrase that is missing, empty or of several lines is refused", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "passphrase");
  await rejects(passphraseIn(file), /there is no file/);
  await rejects(passphraseIn(folder.path), /there is no file/);
  for (const [text, says] of [
    ["", /is empty/],
    ["\n\n", /is empty/],
    ["two\nlines\n", /several lines/],
  ] as const) {
    await writeFile(file, text);
    await rejects(passphraseIn(file), says);
  }
});

test("a key file and a TPM have to be there before anything is written", async () => {
  await using folder = await temporaryFolder();
  const keyFile = join(folder.path, "key");
  const content = { ...luksContent, passwordFile: null, settings: { ...luksContent.settings, keyFile } };
  const layout: DiskLayout = {
    ...encrypted,
    partitions: [esp, { ...plain, name: "luks", type: "linux", size: null, content }],
  };
  await rejects(checkKeys(layout, false), /there is no file/);
  await writeFile(keyFile, Buffer.of(0, 10));
  await checkKeys(layout, false);
  if (existsSync("/dev/tpmrm0")) await checkKeys(layout, true);
  else await rejects(checkKeys(layout, true), /this machine has no TPM to open crypted/);
});
