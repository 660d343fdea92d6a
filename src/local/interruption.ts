/**
 * Ctrl-C, SIGTERM and a terminal that is closed end the program that is running, and the error then unwinds through every `await using`,
 * so that mounts, loop devices and temporary folders are undone.
 */
import { constants } from "node:os";
import { UserError } from "../errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Why everything unwinds once the user has asked for it. */
export class Interrupted extends UserError {
  /** 130 after Ctrl-C: what a shell says of a program that a signal has ended. */
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super(`interrupted by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

const controller = new AbortController();

/** Aborted once the user has asked this process to stop. */
export const interruption: AbortSignal = controller.signal;

/** Undoing is not itself interruptible. */
export const never: AbortSignal = new AbortController().signal;

let unwinds = false;

/** Turns SIGINT, SIGTERM and SIGHUP into an orderly unwinding. Called once, by the command line. */
export function unwindOnInterrupt(): void {
  unwinds = true;
  for (const signal of SIGNALS) process.on(signal, unwind);
}

/**
 * For code of the user's, while there is nothing to undo: until the end of the scope the signals end the process at once. In an endless
 * loop no handler of ours would ever run.
 */
export function endedAtOnce(): Disposable {
  for (const signal of SIGNALS) process.off(signal, unwind);
  return {
    [Symbol.dispose]: () => {
      if (unwinds) unwindOnInterrupt();
    },
  };
}

function unwind(signal: NodeJS.Signals): void {
  controller.abort(new Interrupted(SIGNALS.find((one) => one === signal) ?? "SIGTERM"));
}
