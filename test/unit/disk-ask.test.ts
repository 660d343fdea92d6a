import { deepEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const ask = pathToFileURL(join(import.meta.dirname, "../../src/disk/ask.ts")).href;

/** In a terminal of its own: script(1) gives it one. */
function inTerminal(answers: readonly string[]): Promise<string> {
  const program = `const { typedPassphrase: ask } = await import("${ask}");
    const typed = await ask("crypted", true).then(async (one) => [one, await ask("crypted", false)], ({ message }) => message);
    console.log("result", JSON.stringify(typed));`;
  const command = [process.execPath, "--input-type=module", "--eval", program].map((it) => `'${it}'`).join(" ");
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  const left = [...answers];
  let seen = "";
  let asked = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
    const questions = seen.match(/crypted(?: again)?: /g)?.length ?? 0;
    if (questions === asked) return;
    asked = questions;
    child.stdin.write(`${left.shift() ?? ""}\n`);
  });
  return new Promise((resolve) => child.on("close", () => resolve(seen.replaceAll("\r", ""))));
}

test("a passphrase is asked for twice, not shown, and asked for once in a run", async () => {
  deepEqual(
    await inTerminal(["it is 'secret", "it is 'secret"]),
    [
      "Passphrase for crypted: \nThe passphrase for crypted again: \n",
      `result ${JSON.stringify(["it is 'secret", "it is 'secret"])}\n`,
    ].join(""),
  );
});

test("one that is typed otherwise the second time, or not at all, is refused", async () => {
  for (const [answers, says] of [
    [["one", "other"], "the two passphrases differ, so nothing was written"],
    [[""], "an empty passphrase protects nothing"],
  ] as const) {
    deepEqual((await inTerminal(answers)).split("\n").at(-2), `result ${JSON.stringify(says)}`);
  }
});
