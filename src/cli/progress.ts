/** Progress of something long, on stderr: the step that runs, and the time that it took. */
import { say, showStatus } from "./output.ts";

export type OnProgress = (step: string) => void;

/** Runs `work`; a terminal shows the running step in one line that is drawn again, anything else gets a line a step. */
export async function withProgress<T>(title: string, work: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  if (!onTerminal()) return work((step) => say(`${title}: ${step}`));
  const began = performance.now();
  let text = title;
  const draw = (): void => showStatus(`${text} (${duration(performance.now() - began)})`);
  const ticking = setInterval(draw, 1000);
  draw();
  try {
    const result = await work((step) => {
      text = `${title}: ${step.trim()}`;
      draw();
    });
    text = `${title}: done`;
    return result;
  } finally {
    clearInterval(ticking);
    showStatus(null);
    // After a failure, the step that failed stays to be read.
    say(`${text} (${duration(performance.now() - began)})`);
  }
}

export function onTerminal(): boolean {
  return process.stderr.isTTY && process.env.TERM !== "dumb";
}

/** `7 s`, `2 min 5 s` */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}
