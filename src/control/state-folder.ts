/** The files of a control plane: its authority, and its database unless that is elsewhere. Nobody else reads them. */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { fileLock } from "../local/file-lock.ts";
import { readIfThere } from "../local/read-if-there.ts";
import { privateFolder } from "../local/resources.ts";
import { Authority, newAuthority, type Pem } from "./api/authority.ts";

export const AUTHORITY_FILE = "authority.pem";
/** What operators and agents believe. */
export const CERTIFICATE_FILE = "authority.crt";
export const DATABASE_FILE = "fleet.db";

/** The authority of this folder, which is made the first time. @throws UserError */
export async function authorityOf(folder: string, now: number): Promise<Authority> {
  await privateFolder(folder);
  const file = join(folder, AUTHORITY_FILE);
  const text = (await readIfThere(file)) ?? (await made(file, now));
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----\n?/g) ?? [];
  const certificate = blocks.find((block) => block.includes("BEGIN CERTIFICATE-"));
  const key = blocks.find((block) => block.includes("BEGIN PRIVATE KEY-"));
  if (certificate === undefined || key === undefined) {
    throw new UserError(`${file} is damaged: it has no certificate and private key`, [
      "restore it from a backup: every agent believes this authority, and no other",
    ]);
  }
  // For those who log in: nothing in it is secret.
  await writeFile(join(folder, CERTIFICATE_FILE), certificate, { mode: 0o644 });
  return await Authority.open({ certificate, key });
}

/** Both in one file, which is there whole or not at all; of two that make one at a time, one is first. */
async function made(file: string, now: number): Promise<string> {
  const { certificate, key }: Pem = await newAuthority(now);
  const text = `${certificate.trimEnd()}\n${key.trimEnd()}\n`;
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
    return text;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return await readFile(file, "utf8");
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Until the end of the scope no other control plane has the folder. @throws UserError if one has */
export async function inUse(folder: string): Promise<AsyncDisposable> {
  return await fileLock(
    join(folder, "lock"),
    new UserError(`another control plane uses ${folder}`, [
      "end it first; several instances need PostgreSQL, and a folder each",
    ]),
  );
}
