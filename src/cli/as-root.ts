/** What is done to the cache of builds needs root, or a user namespace in which an ordinary user is root. */
import { statSync } from "node:fs";
import { cacheAt } from "../closure/store/cache.ts";
import { isRoot } from "../local/root.ts";
import { namespaceLacks, runInUserNamespace } from "../local/user-namespace.ts";

/**
 * Begins this command anew as root of a namespace, where an ordinary user runs it whose own the cache is, and ends this process
 * with it. Otherwise nothing is done: where only root can do it, that is said then.
 */
export async function asRootOfNamespace(): Promise<void> {
  if (isRoot() || !isOwn(cacheAt().folder) || namespaceLacks().length > 0) return;
  process.exit(await runInUserNamespace([process.execPath, ...process.execArgv, ...process.argv.slice(1)]));
}

/** One that is not there yet will be. */
function isOwn(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found === undefined || found.uid === process.getuid?.();
}
