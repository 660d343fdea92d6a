/** A control plane in one file, and back. */
import { chmod, link, readdir, rename } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../errors.ts";
import { run } from "../local/process.ts";
import { privateFolder, temporaryFolder } from "../local/resources.ts";
import { AUTHORITY_FILE, DATABASE_FILE, inUse } from "./state-folder.ts";

/**
 * Copies the database as it is in one moment, and the authority, while the control plane runs.
 * @throws UserError if there is no control plane, or the file is there already
 */
export async function backup(folder: string, file: string): Promise<void> {
  const target = resolve(file);
  const there: readonly string[] = await readdir(folder).catch(() => []);
  for (const name of [AUTHORITY_FILE, DATABASE_FILE]) {
    if (there.includes(name)) continue;
    const hint = name === DATABASE_FILE ? [`with PostgreSQL, keep ${AUTHORITY_FILE} and what pg_dump writes`] : [];
    throw new UserError(`${folder} has no ${name}: it is not a control plane's`, hint);
  }
  // Beside the file, so that it is whole when it gets its name.
  await using draft = await temporaryFolder(dirname(target));
  await chmod(draft.path, 0o700);
  const database = new DatabaseSync(join(folder, DATABASE_FILE), { readOnly: true, timeout: 10_000 });
  try {
    database.prepare("vacuum into ?").run(join(draft.path, DATABASE_FILE));
  } finally {
    database.close();
  }
  await run("cp", ["--", join(folder, AUTHORITY_FILE), join(draft.path, AUTHORITY_FILE)]);
  const archive = join(draft.path, "backup.tar");
  await run("tar", ["--create", "--file", archive, "--directory", draft.path, AUTHORITY_FILE, DATABASE_FILE]);
  await chmod(archive, 0o600);
  await run("sync", ["--", archive]);
  try {
    await link(archive, target);
  } catch (error) {
    throw new UserError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`, [
      "a backup takes no other file's place",
    ]);
  }
}

/**
 * @param folder has no control plane yet
 * @throws UserError if it has one, or the file is not a backup
 */
export async function restore(folder: string, file: string): Promise<void> {
  await privateFolder(folder);
  await using _ = await inUse(folder);
  const there = (await readdir(folder)).filter((name) => name.startsWith(DATABASE_FILE) || name === AUTHORITY_FILE);
  if (there.length > 0) {
    throw new UserError(`${folder} has a control plane already: ${there.join(", ")}`, [
      "restore into another folder, or move these away",
    ]);
  }
  await using draft = await temporaryFolder(folder);
  try {
    await run("tar", [
      "--extract",
      "--no-same-owner",
      "--file",
      resolve(file),
      "--directory",
      draft.path,
      AUTHORITY_FILE,
      DATABASE_FILE,
    ]);
    afterRestore(join(draft.path, DATABASE_FILE));
  } catch (error) {
    throw new UserError(`${basename(file)} is not a backup, or is damaged`, [
      error instanceof Error ? error.message : String(error),
    ]);
  }
  await run("sync", ["--", ...[AUTHORITY_FILE, DATABASE_FILE].map((name) => join(draft.path, name))]);
  for (const name of [AUTHORITY_FILE, DATABASE_FILE]) await chmod(join(draft.path, name), 0o600);
  // The database last: without its authority it would be another control plane.
  for (const name of [AUTHORITY_FILE, DATABASE_FILE]) await rename(join(draft.path, name), join(folder, name));
  await run("sync", ["--", folder]);
}

/** Further than any machine's orders have come since the backup was made. */
const FURTHER = 1_000_000_000;

/**
 * Orders that were given after the backup are not in it, so all numbers go on from far above: none is given twice. Rollouts wait for
 * somebody to look.
 */
function afterRestore(file: string): void {
  const database = new DatabaseSync(file);
  try {
    const checked = database.prepare("pragma integrity_check").get();
    if (checked?.integrity_check !== "ok") throw new Error(`SQLite says: ${String(checked?.integrity_check)}`);
    database.exec(`
      begin;
      update machines set change = change + ${FURTHER}, fetched = fetched + ${FURTHER}, reported_change = reported_change + ${FURTHER};
      update members set change = change + ${FURTHER} where change is not null;
      update clock set change_floor = change_floor + ${FURTHER};
      update rollouts set status = 'paused', why = 'restored from a backup: look, then resume, revert or cancel', version = version + 1
        where status in ('pending', 'running', 'reverting');
      update leader set holder = '';
      commit;
    `);
  } finally {
    database.close();
  }
}
