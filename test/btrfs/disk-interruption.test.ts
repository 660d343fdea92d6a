import { deepEqual, equal } from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("an image interrupted during any of its commands leaves no file, no mount and no loop device", async () => {
  await using folder = await temporaryFolder();
  const program = join(import.meta.dirname, "disk-interrupted.ts");
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  let interrupted = 0;
  for (;;) {
    const file = join(folder.path, "disk.img");
    const signal = signals[interrupted % signals.length] ?? "";
    const exit = await run(process.execPath, [program, file, String(interrupted + 1), signal], {
      env: { TMPDIR: folder.path },
    }).then(
      () => 0,
      (error: unknown) => (error instanceof CommandError ? error.exitCode : error),
    );
    await detached(folder.path);
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

/** What is mounted keeps its loop device, also when the file is gone; a copy of the mount in another namespace too. */
async function detached(folder: string): Promise<void> {
  for (const until = Date.now() + 120_000; ; await sleep(50)) {
    const attached = await run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]);
    const ours = attached.split("\n").filter((image) => image.startsWith(folder));
    if (ours.length === 0) return;
    if (Date.now() > until) deepEqual(ours, []);
  }
}
