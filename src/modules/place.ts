/** Where in somebody's source a definition was written. */

import { fileURLToPath } from "node:url";

/** A call in a source file. The text is made only when it is asked for, since most places never are. */
export class Place {
  readonly #trace: { stack?: string };
  #text: string | undefined;

  constructor(trace: { stack?: string }) {
    this.#trace = trace;
  }

  /** `/home/alice/fleet/fleet.ts:12` */
  get text(): string {
    this.#text ??= firstFrame(this.#trace.stack ?? "");
    return this.#text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** The place from which `callee` was called. */
export function callerOf(callee: (...args: never[]) => unknown): Place {
  const trace: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(trace, callee);
  Error.stackTraceLimit = limit;
  return new Place(trace);
}

/** A stack line is `at name (file:///path/to/file.ts:12:34)`, or the same without a name and parentheses. */
function firstFrame(stack: string): string {
  const match = /(file:\/\/|\/)(.*):(\d+):\d+\)?$/.exec(stack.split("\n")[1] ?? "");
  if (match === null) return "an unknown place";
  const [, scheme = "", path = "", line = ""] = match;
  return `${scheme === "/" ? `/${path}` : fileURLToPath(scheme + path)}:${line}`;
}
