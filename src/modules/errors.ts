/** Errors for the person who caused them: what is wrong, where, what to do. */
import { ProblemsError, UserError } from "../errors.ts";
import { isPlainObject } from "./definition.ts";
import { dotted, type Path } from "./path.ts";
import type { Resolved } from "./pending.ts";
import { type Written, writtenAt } from "./written.ts";

export function wrongType(path: Path, wanted: string, definition: Resolved): ProblemsError {
  return problem(`${dotted(path)}: wanted ${wanted}, got ${shown(definition.value)}`, [definition]);
}

export function conflict(path: Path, definitions: readonly Resolved[]): ProblemsError {
  const values = definitions.map(({ value }) => shown(value)).join(" and ");
  return problem(
    `${dotted(path)} is defined more than once, and the definitions cannot be merged: ${values}`,
    definitions,
    "remove all but one, or wrap the one that shall win in mkForce(…) or the one that shall yield in mkDefault(…)",
  );
}

export function undeclared(path: Path, names: Iterable<string>, place: Written | undefined): ProblemsError {
  return problem(`there is no option ${dotted(path)}`, place === undefined ? [] : [place], nearestOption(path, names));
}

/** The same for a name that a function reads; its caller knows which function. */
export function undeclaredRead(path: Path, names: Iterable<string>): ProblemsError {
  return new UndeclaredRead(undeclared(path, names, undefined).problems);
}

class UndeclaredRead extends ProblemsError {}

function nearestOption(path: Path, names: Iterable<string>): string {
  const nearest = nearestName(path.at(-1) ?? "", names);
  if (nearest === undefined) return "`nixfleet options` lists the declared ones";
  return `did you mean ${dotted([...path.slice(0, -1), nearest])}?`;
}

export function notASet(path: Path, value: unknown, place: Written): ProblemsError {
  const what = dotted(path) || "the configuration";
  return problem(`${what} holds options, so it wants an object, got ${shown(value)}`, [place]);
}

export function notDefined(path: Path, wanted: string, place: Written): ProblemsError {
  return problem(`${dotted(path)} has no value, and no default`, [place], `define it as ${wanted}`);
}

export function readOnlyTwice(path: Path, definitions: readonly Resolved[]): ProblemsError {
  return problem(
    `${dotted(path)} is read-only, but it is defined ${definitions.length} times`,
    definitions,
    "remove all but one",
  );
}

export function cycle(chain: readonly { readonly path: Path; readonly place: Written | undefined }[]): ProblemsError {
  const names = chain.map(({ path }) => dotted(path) || "the configuration");
  return problem(
    `${names[0]} depends on itself: ${names.join(" → ")}`,
    chain.flatMap(({ place }) => (place === undefined ? [] : [place])),
    "break the circle: give one of them a value that does not read the next",
  );
}

export function declaredTwice(path: Path, first: Written | undefined, second: Written | undefined): ProblemsError {
  return problem(
    `the option ${dotted(path)} is declared twice`,
    [first, second].flatMap((place) => (place === undefined ? [] : [place])),
    "rename one of them, or declare it once and import that module from both",
  );
}

export function conditionNotBoolean(value: unknown, place: Written): ProblemsError {
  return problem(`a condition of mkIf is ${shown(value)}, but it must be true or false`, [place]);
}

/** A module or an option that stands among the definitions. */
export function misplaced(path: Path, what: "a module" | "an option", place: Written): ProblemsError {
  return problem(
    `${dotted(path) || "the configuration"} is defined as ${what}, which is not a value`,
    [place],
    what === "a module"
      ? "put the module in `imports`; a module that counts only sometimes has an option `enable` and mkIf in its config"
      : "declare the option in the module's `options`",
  );
}

export function notOptions(path: Path, value: unknown, place: Written): ProblemsError {
  return problem(
    `${dotted(path)} is declared as ${shown(value)}, which is no option`,
    [place],
    "declare it with mkOption({ type: … }), or as an object that holds options",
  );
}

/** An argument that the compiler would refuse, for callers who did not run it. */
export function notAList(what: string, value: unknown, place: Written): ProblemsError {
  return problem(`${what} wants a list, got ${shown(value)}`, [place], "wrap it in [ … ]");
}

/** What a function from the fleet threw. A `UserError` says everything already; anything else gets the function's place. */
export function threw(what: string, place: Written, error: unknown): UserError {
  if (error instanceof UndeclaredRead)
    return new ProblemsError(error.problems.map((one) => ({ ...one, at: [writtenAt(place)] })));
  if (error instanceof UserError) return error;
  const message =
    error instanceof RangeError && error.message.includes("call stack")
      ? "it is nested too deeply, or contains itself"
      : error instanceof Error
        ? `${error.name}: ${error.message}`
        : shown(error);
  return problem(`${what} could not be computed: ${message}`, [place]);
}

export function problem(what: string, places: readonly Written[], fix = ""): ProblemsError {
  return new ProblemsError([{ what, at: [...new Set(places.map(writtenAt))], fix }]);
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
