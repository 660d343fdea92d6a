/** Where in a source file a definition is written. */

import { fileURLToPath } from "node:url";

/** A place in a source file: a call, or something in its arguments. Its text is made on demand, because few are ever needed. */
export class Place {
  readonly #site: Site;
  /** From the call to the place: the index of an argument, then names and indices; `null` if unknown. */
  readonly steps: Steps | null;

  constructor(site: Site, steps: Steps | null = null) {
    this.#site = site;
    this.steps = steps;
  }

  /** A place inside this one. */
  inside(...steps: Steps): Place {
    return this.steps === null ? this : new Place(this.#site, [...this.steps, ...steps]);
  }

  /** The call itself. */
  get whole(): Place {
    return this.steps === null ? this : new Place(this.#site);
  }

  /** A place that is known by its text alone. */
  static at(text: string): Place {
    return new Place({ stack: "", text });
  }

  /** The file, and where in it the callee is named: line and column from 1. */
  get call(): Call | null {
    return firstFrame(this.#site.stack ?? "");
  }

  /** `/home/alice/fleet/fleet.ts:12` */
  get text(): string {
    this.#site.text ??= textOf(this.call);
    return this.#site.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A call as V8 remembers it, and its text once it was needed. */
interface Site {
  stack?: string;
  text?: string;
}

export type Steps = readonly (string | number)[];

export interface Call {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The place from which `callee` was called. @param steps to what it is called with */
export function callerOf(callee: (...args: never[]) => unknown, steps: Steps | null = null): Place {
  const site: Site = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(site, callee);
  Error.stackTraceLimit = limit;
  return new Place(site, steps);
}

/** A stack line is `at name (file:///path/to/file.ts:12:34)`, or the same without a name and parentheses. */
function firstFrame(stack: string): Call | null {
  const match = /(file:\/\/|\/)(.*):(\d+):(\d+)\)?$/.exec(stack.split("\n")[1] ?? "");
  if (match === null) return null;
  const [, scheme = "", path = "", line = "", column = ""] = match;
  const file = scheme === "/" ? `/${path}` : fileURLToPath(scheme + path);
  return { file, line: Number(line), column: Number(column) };
}

function textOf(call: Call | null): string {
  return call === null ? "an unknown place" : `${call.file}:${call.line}`;
}

/** Whether the place is in a module of this project, whose declarations yield to those of people. */
export function isByFramework(place: string): boolean {
  return place.startsWith(FRAMEWORK);
}

const FRAMEWORK: string = import.meta.dirname.replace(/[^/]+$/, "");
