/** The keys and the repository that a command line means. */
import { join } from "node:path";
import { openRepository, type Repository } from "../content/repository.ts";
import { passphraseIn } from "../disk/passphrase.ts";
import { UserError } from "../errors.ts";
import { type KeyFolder, openKeyFolder } from "../release/key-folder.ts";
import { readKeys } from "../release/keys.ts";
import type { Builder, Written } from "../release/write.ts";
import { say } from "./output.ts";

export interface SigningOptions {
  /** The first has the roots and settings, too. */
  readonly keys?: readonly string[];
  readonly repository?: string;
  readonly passphraseFile?: string;
  readonly note?: string;
}

export const KEY_FOLDER = "release-keys";

export interface Signing extends Builder {
  readonly folders: readonly string[];
  readonly passphrase: string | null;
  readonly repository: string;
}

/** @throws UserError where there are no keys, or it is not said where releases go */
export async function signing(fleetFolder: string, options: SigningOptions): Promise<Signing> {
  const folders = options.keys ?? [join(fleetFolder, KEY_FOLDER)];
  const { keyFolder, repository } = await signed(fleetFolder, options);
  const passphrase = await passphraseOf(options);
  return { keyFolder, repository, folders, passphrase, keys: await readKeys(folders, passphrase), now: Date.now() };
}

/** The same, for commands that sign nothing. */
export async function signed(
  fleetFolder: string,
  options: SigningOptions,
): Promise<{ readonly keyFolder: KeyFolder; readonly repository: string }> {
  const [first = join(fleetFolder, KEY_FOLDER)] = options.keys ?? [];
  const keyFolder = await openKeyFolder(first);
  const repository = options.repository ?? keyFolder.settings.repository;
  if (repository === null) {
    throw new UserError("where do releases go?", [
      `say --repository DIR, or write it into ${join(keyFolder.folder, "release.json")}`,
    ]);
  }
  return { keyFolder, repository };
}

export async function passphraseOf({ passphraseFile }: SigningOptions): Promise<string | null> {
  return passphraseFile === undefined ? null : await passphraseIn(passphraseFile);
}

/** @param create whether a repository is made where there is none */
export async function opened(folder: string, create: boolean): Promise<Repository> {
  return await openRepository(folder, { create, onWait: (holder) => say(`waiting for ${holder}`) });
}

const SOON = 30 * 86_400_000;

/** What people have to do before hosts believe nothing any more. */
export function warnOfExpiry({ expires }: Written, now: number): void {
  for (const role of ["root", "targets", "snapshot"] as const) {
    const end = Date.parse(expires[role]);
    if (end - now < SOON) {
      say(
        `the signature of ${role} ${end < now ? "was" : "is"} good until ${expires[role]}: run nixfleet release refresh with its keys`,
      );
    }
  }
}
