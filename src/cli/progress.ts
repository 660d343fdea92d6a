/** Progress of something long, on stderr: the step that runs, and the time that it took. */
import { say } from "./output.ts";

/** Runs `work`; a terminal shows the step that runs in place, anything else a line a step. */
export async function withProgress<T>(
  title: string,
  work: (onProgress: (step: string) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) return work((step) => say(`${title}: ${step}`));
  const { Listr } = await import("listr2");
  const box: { result?: T } = {};
  const tasks = new Listr([
    {
      title,
      task: async (_, task) => {
        box.result = await work((step) => {
          task.output = step;
        });
      },
    },
  ]);
  await tasks.run();
  return box.result as T;
}
