/** A filesystem that is brought up to date all the time. */
import { spawn } from "node:child_process";
import { once } from "node:events";

const LOOP = `ended=''; trap 'ended=yes' TERM; while [ -z "$ended" ]; do sync -f "$0"; done`;

/** Goes on until the end of the scope. Nobody is in the folder then: the shell ends after the sync that it waits for. */
export function committing(folder: string): AsyncDisposable {
  const child = spawn("sh", ["-c", LOOP, folder], { stdio: "ignore" });
  const ended = once(child, "exit");
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
