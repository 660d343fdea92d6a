/** What an encrypted layout needs on the machine that formats: files with passphrases and keys, a TPM. */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { DiskLayout } from "../layout/gpt.ts";
import { UserError } from "../modules/errors.ts";

/**
 * The text of a file, as the shell's `$(cat FILE)` gives it: without line breaks at its end.
 * @throws UserError where there is none, or one that nobody could type when the host starts
 */
export async function passphraseIn(file: string): Promise<string> {
  await checkFile(file);
  const passphrase = (await readFile(file, "utf8")).replace(/\n+$/, "");
  if (passphrase === "") throw new UserError(`${file} is empty`, [ADVICE]);
  if (!/[\n\0]/.test(passphrase)) return passphrase;
  throw new UserError(`${file} has several lines`, ["a passphrase is one line, as it is typed when the host starts"]);
}

/**
 * @param tpm whether the layout's TPM is that of this machine
 * @throws UserError where something is missing that formatting would find out half-way
 */
export async function checkKeys(layout: DiskLayout, tpm: boolean): Promise<void> {
  for (const { content } of layout.partitions) {
    if (content?.kind !== "luks") continue;
    if (content.passwordFile !== null) await passphraseIn(content.passwordFile);
    else if (content.settings.keyFile !== null) await checkFile(content.settings.keyFile);
    if (!tpm || !content.enrollTpm2 || existsSync(TPM)) continue;
    throw new UserError(`this machine has no TPM to open ${content.name}`, [
      "enrollTpm2 is declared: remove it, or switch the TPM on in the firmware's settings",
    ]);
  }
}

/** The kernel's own resource manager of a TPM 2. */
const TPM = "/dev/tpmrm0";

const ADVICE = "a partition of the layout is encrypted with it: write it there first";

async function checkFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true) throw new UserError(`there is no file ${file}`, [ADVICE]);
  if (found.size === 0) throw new UserError(`${file} is empty`, [ADVICE]);
}
