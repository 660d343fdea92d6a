/** A step of a demonstration, with the time that it took. */
import { say } from "../cli/output.ts";
import { duration, type OnProgress, onTerminal, withProgress } from "../cli/progress.ts";

/** A terminal shows what goes on in the running step; in a log it would be thousands of lines. */
export async function step<T>(title: string, work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  if (onTerminal()) return withProgress(title, work);
  const began = performance.now();
  const result = await work(() => {});
  say(`${title}: done (${duration(performance.now() - began)})`);
  return result;
}
