/** A person types a passphrase: where a layout names no file with it. */
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";

/** What was typed in this process, by what it opens: formatting and mounting ask once together. */
const typed = new Map<string, string>();

/**
 * @param of what the passphrase opens: `crypted`
 * @param twice for a new one, which nobody could correct later
 * @throws UserError where nobody is asked, or the second time it is another
 */
export async function typedPassphrase(of: string, twice: boolean): Promise<string> {
  const known = typed.get(of);
  if (known !== undefined) return known;
  if (!process.stdin.isTTY) {
    throw new UserError(`cannot ask for the passphrase of ${of}: this is not a terminal`, [
      'run it in one, or write passwordFile: "/the/file" in the layout',
    ]);
  }
  const passphrase = await hidden(`Passphrase for ${of}: `);
  if (passphrase === "") throw new UserError("an empty passphrase protects nothing", ["run this again and type one"]);
  if (twice && (await hidden(`The passphrase for ${of} again: `)) !== passphrase) {
    throw new UserError("the two passphrases differ, so nothing was written", ["run this again"]);
  }
  typed.set(of, passphrase);
  return passphrase;
}

async function hidden(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  // From here on nothing that is typed is shown.
  process.stderr.write(question);
  try {
    return await terminal.question("", { signal: interruption });
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
