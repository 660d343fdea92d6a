import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError, quoted, run } from "../../src/local/process.ts";

test("a failure shows the command, as one would type it, and the end of its stderr", async () => {
  await assert.rejects(run("sh", ["-c", "echo 'went wrong' >&2; exit 3", "a b"]), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 3);
    assert.match(error.text, /^sh failed \(exit 3\)\n {2}command: sh -c '.*' 'a b'\n {2}went wrong$/);
    return true;
  });
});

test("what is quoted is one argument to a shell, whatever is in it", async () => {
  for (const text of ["a b", "it's", '"', "$HOME `id`", "\\", "a\nb", ""]) {
    assert.equal(await run("sh", ["-c", `printf %s ${quoted(text)}`]), text);
  }
});

test("a program that does not read its input is no error", async () => {
  assert.equal(await run("true", [], { input: "x".repeat(1 << 20) }), "");
});

test("an interrupted program is ended before the error is told", async () => {
  const stop = new AbortController();
  const began = performance.now();
  setTimeout(() => stop.abort(new Error("stopped")), 50);
  await assert.rejects(run("sleep", ["20"], { signal: stop.signal }), /stopped/);
  assert.ok(performance.now() - began < 10_000);
});
