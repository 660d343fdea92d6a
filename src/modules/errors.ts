/** Errors for the person who caused them: what is wrong, where, what to do. */
import { isPlainObject } from "./definition.ts";
import type { Path } from "./option.ts";
import type { Place } from "./place.ts";
import type { Resolved } from "./resolve.ts";

/** An error that the command line prints without a stack: one line first, then details. */
export class UserError extends Error {
  readonly detail: readonly string[];

  constructor(message: string, detail: readonly string[] = []) {
    super(message);
    this.name = new.target.name;
    this.detail = detail;
  }

  /** The whole text: the message, then each detail on an indented line. */
  get text(): string {
    return [this.message, ...this.detail.map((line) => `  ${line}`)].join("\n");
  }
}

export function wrongType(path: Path, wanted: string, definition: Resolved): UserError {
  return new UserError(`${dotted(path)}: wanted ${wanted}, got ${shown(definition.value)}`, [
    `defined at ${definition.place.text}`,
  ]);
}

export function conflict(path: Path, definitions: readonly Resolved[]): UserError {
  return new UserError(`${dotted(path)} is defined more than once, and the definitions cannot be merged`, [
    ...definitions.map((d) => `${shown(d.value)} at ${d.place.text}`),
    "remove all but one, or wrap the one that shall win in mkForce(…) or the one that shall yield in mkDefault(…)",
  ]);
}

export function undeclared(path: Path, names: Iterable<string>, place: Place | undefined): UserError {
  const nearest = nearestName(path.at(-1) ?? "", names);
  return new UserError(`there is no option ${dotted(path)}`, [
    ...(place === undefined ? [] : [`defined at ${place.text}`]),
    nearest === undefined
      ? "`nixfleet options` lists the declared ones"
      : `did you mean ${dotted([...path.slice(0, -1), nearest])}?`,
  ]);
}

/** The same where a function read the name; which one is known only where it was called. */
export function undeclaredRead(path: Path, names: Iterable<string>): UserError {
  const { message, detail } = undeclared(path, names, undefined);
  return new UndeclaredRead(message, detail);
}

class UndeclaredRead extends UserError {}

export function notASet(path: Path, value: unknown, place: Place): UserError {
  return new UserError(
    `${dotted(path) || "the configuration"} holds options, so it wants an object, got ${shown(value)}`,
    [`defined at ${place.text}`],
  );
}

export function notDefined(path: Path, wanted: string): UserError {
  return new UserError(`${dotted(path)} has no value`, [`it has no default; define it as ${wanted}`]);
}

export function readOnlyTwice(path: Path, definitions: readonly Resolved[]): UserError {
  return new UserError(`${dotted(path)} is read-only, but it is defined ${definitions.length} times`, [
    ...definitions.map((d) => `at ${d.place.text}`),
    "remove all but one",
  ]);
}

export function cycle(chain: readonly { readonly path: Path; readonly place: Place | undefined }[]): UserError {
  const named = (path: Path) => dotted(path) || "the configuration";
  return new UserError(`${named(chain[0]?.path ?? [])} depends on itself`, [
    ...chain.map(
      ({ path, place }, i) => `${i === 0 ? "" : "→ "}${named(path)}${place === undefined ? "" : ` at ${place.text}`}`,
    ),
    "break the circle: give one of them a value that does not read the next",
  ]);
}

export function declaredTwice(path: Path, first: Place | undefined, second: Place | undefined): UserError {
  return new UserError(`the option ${dotted(path)} is declared twice`, [
    `at ${first?.text ?? "an unknown place"}`,
    `at ${second?.text ?? "an unknown place"}`,
    "rename one of them, or declare it once and import that module from both",
  ]);
}

export function conditionNotBoolean(value: unknown, place: Place): UserError {
  return new UserError(`a condition of mkIf is ${shown(value)}, but it must be true or false`, [`at ${place.text}`]);
}

/** A module or an option that stands among the definitions. */
export function misplaced(path: Path, what: "a module" | "an option", place: Place): UserError {
  return new UserError(`${dotted(path) || "the configuration"} is defined as ${what}, which is not a value`, [
    `defined at ${place.text}`,
    what === "a module"
      ? "put the module in `imports`; a module that counts only sometimes has an option `enable` and mkIf in its config"
      : "declare the option in the module's `options`",
  ]);
}

export function notOptions(path: Path, value: unknown, place: Place): UserError {
  return new UserError(`${dotted(path)} is declared as ${shown(value)}, which is no option`, [
    `at ${place.text}`,
    "declare it with mkOption({ type: … }), or as an object that holds options",
  ]);
}

/** An argument that the compiler refuses, of somebody who did not ask it. */
export function notAList(what: string, value: unknown, place: Place): UserError {
  return new UserError(`${what} wants a list, got ${shown(value)}`, [`at ${place.text}`, "wrap it in [ … ]"]);
}

/** What a user's function threw. A `UserError` already says all; anything else is told with where it was written. */
export function threw(what: string, place: Place, error: unknown): UserError {
  if (error instanceof UndeclaredRead) return new UserError(error.message, [`read at ${place.text}`, ...error.detail]);
  if (error instanceof UserError) return error;
  const message =
    error instanceof RangeError && error.message.includes("call stack")
      ? "it is nested too deeply, or contains itself"
      : error instanceof Error
        ? `${error.name}: ${error.message}`
        : shown(error);
  return new UserError(`${what} could not be computed: ${message}`, [`at ${place.text}`]);
}

export function dotted(path: Path): string {
  return path.map((part) => (/^[\w@-]+$/.test(part) ? part : JSON.stringify(part))).join(".");
}

/** A value in one short line. */
export function shown(value: unknown): string {
  const text = textOf(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (!Array.isArray(value) && !isPlainObject(value)) return `a ${value.constructor?.name ?? "class"} instance`;
  try {
    return JSON.stringify(value);
  } catch {
    return Array.isArray(value) ? "a list" : "an object"; // it contains itself, or something that JSON cannot say
  }
}

/** The nearest of the names by edit distance, if it is near enough to have been meant. */
export function nearestName(name: string, names: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.ceil(name.length / 3)) + 1;
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** Levenshtein's, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
