/** The scripts of this project end with lines for the person who asked: these become the error. */
import { UserError } from "../errors.ts";
import { CommandError } from "./process.ts";

/**
 * What a script said when it failed, the last line first, since that has the reason; any other error as it is.
 * @param where begins the reason: the host that it ran on
 */
export function scriptError(error: unknown, where?: string): unknown {
  if (!(error instanceof CommandError)) return error;
  const rest = saidBy(error);
  const reason = rest.pop() || error.message;
  return new UserError(where === undefined ? reason : `${where}: ${reason}`, rest);
}

/** The end of its stderr, a line each. */
export function saidBy(error: CommandError): string[] {
  return error.detail.slice(1).map((line) => line.replace(/^nixfleet: /, ""));
}
