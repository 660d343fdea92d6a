/** Who takes objects from the cache keeps `nixfleet gc --cache` away from it. */
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { fileLock, sharedLock } from "../../local/file-lock.ts";
import type { Cache } from "./cache.ts";

const USE = join("locks", "use");
const held = new Map<string, Promise<void>>();

/** Until this process ends, nothing is deleted from the cache. Somebody who can only read it does not get that. */
export function useCache({ folder }: Cache): Promise<void> {
  const path = join(folder, USE);
  const use = held.get(path) ?? sharedLock(path).catch(() => {});
  held.set(path, use);
  return use;
}

/** @throws UserError while another process takes objects from it */
export function useCacheAlone({ folder }: Cache): Promise<AsyncDisposable> {
  return fileLock(
    join(folder, USE),
    new UserError(`the cache ${folder} is in use: another nixfleet builds, sends, installs or boots something of it`, [
      "run it again when that has finished",
    ]),
  );
}
