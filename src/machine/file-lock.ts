/** A lock between processes: flock(2) on a file, which the kernel releases when this process ends in whatever way. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { UserError } from "../modules/errors.ts";
import { interruption } from "./interruption.ts";

/**
 * Holds the exclusive lock of a file, which is made if it is not there, until the end of the scope.
 * A child process holds it (flock(1), of util-linux, an essential package of Debian) for as long as its stdin is open.
 * @param held what is done when another process holds it: it is waited for, after this is called; or this is thrown
 * @throws UserError when the file cannot be made, or the user interrupts the wait
 */
export async function fileLock(path: string, held: (() => void) | UserError = () => {}): Promise<AsyncDisposable> {
  const wait = held instanceof UserError ? ["--nonblock", "--conflict-exit-code", String(HELD)] : [];
  // Detached, so that Ctrl-C in a terminal does not reach it: the lock is to hold until everything is undone.
  const holder = spawn("flock", ["--exclusive", "--no-fork", ...wait, path, "cat"], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let reason = "";
  holder.stderr.setEncoding("utf8").on("data", (text: string) => {
    reason += text;
  });
  holder.stdin.on("error", () => {}); // it ended first: its exit says why
  const release = async (): Promise<void> => {
    const ended = once(holder, "close");
    holder.stdin.end();
    if (holder.exitCode === null && holder.signalCode === null) await ended;
  };

  const waiting = setTimeout(() => (held instanceof UserError ? undefined : held()), 300);
  const stop = (): void => void holder.kill();
  interruption.addEventListener("abort", stop);
  try {
    holder.stdin.write("held\n");
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("error", reject);
      holder.once("close", (code) => {
        if (interruption.aborted) reject(interruption.reason);
        else reject(code === HELD ? held : new UserError(`cannot lock ${path}`, [reason.trim()]));
      });
    });
  } finally {
    clearTimeout(waiting);
    interruption.removeEventListener("abort", stop);
  }
  return { [Symbol.asyncDispose]: release };
}

/** EX_TEMPFAIL of sysexits.h(3head): nothing else that flock(1) ends with. */
const HELD = 75;
