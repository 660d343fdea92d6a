/** Commands that only root can do say so before they begin. */
import { UserError } from "../modules/errors.ts";

/** @throws UserError with the reason, unless this is root */
export function requireRoot(toDo: string, reason: string): void {
  if (isRoot()) return;
  throw new UserError(`only root can ${toDo}`, [reason, "run the command again with sudo"]);
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
