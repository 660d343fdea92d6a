/** Files with passphrases and keys, on the machine that formats. */
import { readFile, stat } from "node:fs/promises";
import type { DiskLayout } from "../layout/gpt.ts";
import { UserError } from "../modules/errors.ts";

/** The text of a file, as the shell's `$(cat FILE)` gives it: without line breaks at its end. */
export async function passphraseIn(file: string): Promise<string> {
  return (await readFile(file, "utf8")).replace(/\n+$/, "");
}

/** @throws UserError where a layout wants a passphrase or key that is not there, or could not be typed in */
export async function checkKeys(layout: DiskLayout): Promise<void> {
  for (const { name, content } of layout.partitions) {
    if (content?.kind !== "luks") continue;
    const file = content.passwordFile ?? content.settings.keyFile ?? "";
    const advice = [`the partition ${name} of the layout ${layout.name} is encrypted with it: write it there first`];
    const found = await stat(file).catch(() => null);
    if (found?.isFile() !== true) throw new UserError(`there is no file ${file}`, advice);
    if (content.passwordFile === null) {
      if (found.size === 0) throw new UserError(`${file} is empty`, advice);
      continue;
    }
    const passphrase = await passphraseIn(file);
    if (passphrase === "") throw new UserError(`${file} is empty`, advice);
    if (/[\n\0]/.test(passphrase)) {
      throw new UserError(`${file} has several lines`, [
        "a passphrase is one line, as it is typed when the host starts",
      ]);
    }
  }
}
