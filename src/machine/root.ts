/** What only root can do says so before it begins. */
import { UserError } from "../modules/errors.ts";

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
