/** A file that is there as it was or as it is now, at whatever moment the power is cut. */
import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Of processes that write the same file at a time, each needs a lock: the draft is `FILE.new`.
 * @param mode of the file, whatever the umask
 */
export async function writeDurably(file: string, content: string | Uint8Array, mode: number): Promise<void> {
  const draft = `${file}.new`;
  await rm(draft, { force: true }); // of a process that was killed
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  await syncFolder(dirname(file));
}

/** After it, a rename in the folder outlives a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
