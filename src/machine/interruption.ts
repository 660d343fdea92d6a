/**
 * Ctrl-C, SIGTERM and a terminal that is closed end the program that is running, and the error then unwinds through every `await using`,
 * so that mounts, loop devices and temporary folders are undone.
 */
import { UserError } from "../modules/errors.ts";

const controller = new AbortController();

/** Aborted once the user has asked this process to stop. */
export const interruption: AbortSignal = controller.signal;

/** Undoing is not itself interruptible. */
export const never: AbortSignal = new AbortController().signal;

/** Turns SIGINT, SIGTERM and SIGHUP into an orderly unwinding. Called once, by the command line. */
export function unwindOnInterrupt(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => controller.abort(new UserError(`interrupted by ${signal}`)));
  }
}
