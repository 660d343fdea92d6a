/** What an encrypted layout needs on the machine that formats: files with passphrases and keys, a TPM. */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { layers } from "../layout/content.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { typedPassphrase } from "./ask.ts";

/**
 * The text of a file, as the shell's `$(cat FILE)` gives it: without line breaks at its end.
 * @throws UserError where there is none, or one that nobody could type when the host starts
 */
export async function passphraseIn(file: string): Promise<string> {
  await checkFile(file);
  const passphrase = (await readFile(file, "utf8")).replace(/\n+$/, "");
  if (passphrase === "") throw new UserError(`${file} is empty`, [ADVICE]);
  if (!/[\n\0]/.test(passphrase)) return passphrase;
  throw new UserError(`${file} has several lines`, ["a passphrase is one line, as you type it when the host boots"]);
}

/**
 * @param tpm whether the layout's TPM is that of this machine
 * @throws UserError where something is missing that formatting would find out half-way
 */
export async function checkKeys(layout: DiskLayout, tpm: boolean): Promise<void> {
  for (const content of layout.partitions.flatMap((partition) => layers(partition.content))) {
    if (content.kind !== "luks") continue;
    if (content.settings.keyFile !== null) await checkFile(content.settings.keyFile);
    else if (content.passwordFile !== null) await passphraseIn(content.passwordFile);
    else await typedPassphrase(content.name, true);
    for (const file of content.additionalKeyFiles) await checkFile(file);
    if (!tpm || !content.enrollTpm2 || existsSync(TPM)) continue;
    throw new UserError(`this machine has no TPM to open ${content.name}`, [
      "remove enrollTpm2, or enable the TPM in the firmware settings",
    ]);
  }
}

/** The kernel's own resource manager of a TPM 2. */
const TPM = "/dev/tpmrm0";

const ADVICE = "the layout encrypts a partition with this passphrase or key: write the file first";

async function checkFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true) throw new UserError(`there is no file ${file}`, [ADVICE]);
  if (found.size === 0) throw new UserError(`${file} is empty`, [ADVICE]);
}
