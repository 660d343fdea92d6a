/** Asks for the name of what is to be erased. */
import { createInterface } from "node:readline/promises";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";

/**
 * @param path what has to be typed; `null`: the name of any disk
 * @returns what was typed
 * @throws UserError where it was not, or nobody can be asked
 */
export async function confirmName(path: string | null): Promise<string> {
  const refusal = new UserError(
    `${path ?? "no disk"} was ${path === null ? "chosen" : "not confirmed"}, so nothing was written`,
    [
      path === null
        ? "type a name when asked, or add: --device DISK --yes-wipe DISK"
        : `type its name when asked, or add: --yes-wipe ${path}`,
    ],
  );
  if (!process.stdin.isTTY) throw refusal;
  // Not its own editing of the line, which would keep Ctrl-C from being a signal.
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const answer = await terminal.question(`To go on, type ${path ?? "the name of the disk"}: `, {
      signal: interruption,
    });
    if (path === null ? answer.trim() === "" : answer.trim() !== path) throw refusal;
    return answer.trim();
  } finally {
    terminal.close();
  }
}
