/** What only root can do says so before it begins. */
import { readFileSync } from "node:fs";
import { UserError } from "../errors.ts";

/**
 * @param advice in place of sudo
 * @throws UserError with the reason, unless this is root
 */
export function requireRoot(toDo: string, reason: string, advice = "run the command again with sudo"): void {
  if (isRoot()) return;
  throw new UserError(`only root can ${toDo}`, [reason, advice]);
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Of a whole machine, or container: not an ordinary user in a namespace of their own (user-namespace.ts), whose all is. */
export function isOthersRoot(): boolean {
  return isRoot() && !/^ *0 +[1-9][0-9]* +1$/m.test(readFileSync("/proc/self/uid_map", "utf8"));
}
