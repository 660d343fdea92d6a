import { deepEqual, equal } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { CommandError, run } from "../../src/machine/process.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";

test("an image interrupted during any of its commands leaves no file, no mount and no loop device", async () => {
  await using folder = await temporaryFolder();
  const program = join(import.meta.dirname, "disk-interrupted.ts");
  let interrupted = 0;
  for (;;) {
    const file = join(folder.path, "disk.img");
    const exit = await run(process.execPath, [program, file, String(interrupted + 1)], {
      env: { TMPDIR: folder.path },
    }).then(
      () => 0,
      (error: unknown) => (error instanceof CommandError ? error.exitCode : error),
    );
    // What is mounted keeps its loop device, also when the file is gone.
    const attached = await run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]);
    deepEqual(
      attached.split("\n").filter((image) => image.startsWith(folder.path)),
      [],
    );
    if (exit === 0) {
      // It was whole before its number came: every command has had its turn.
      deepEqual(await readdir(folder.path), ["disk.img"]);
      break;
    }
    equal(exit, 130);
    deepEqual(await readdir(folder.path), []);
    interrupted += 1;
  }
  equal(interrupted > 20, true, `only ${interrupted} points were tried`);
});
