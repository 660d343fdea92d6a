/** The types of single values, and those that wrap another type. */
import { conflict, wrongType } from "./errors.ts";
import type { EitherShape, MergePoint, OptionType } from "./option.ts";
import type { Resolved } from "./resolve.ts";

export const bool: OptionType<boolean> = single("true or false", (value) => typeof value === "boolean");

export const int: OptionType<number> = single("an integer", Number.isSafeInteger);

/** An integer from `lowest` to `highest`, both included. */
export function intBetween(lowest: number, highest: number): OptionType<number> {
  return single(
    `an integer from ${lowest} to ${highest}`,
    (value) => Number.isSafeInteger(value) && Number(value) >= lowest && Number(value) <= highest,
  );
}

export const positiveInt: OptionType<number> = single(
  "an integer of at least 1",
  (v) => Number.isSafeInteger(v) && Number(v) > 0,
);

export const unsignedInt: OptionType<number> = single(
  "an integer of at least 0",
  (v) => Number.isSafeInteger(v) && Number(v) >= 0,
);

/** A TCP or UDP port. */
export const port: OptionType<number> = intBetween(0, 65535);

export const str: OptionType<string> = single("a string", (value) => typeof value === "string");

export const nonEmptyStr: OptionType<string> = single(
  "a string that is not empty",
  (value) => typeof value === "string" && value.trim() !== "",
);

/** A string that the pattern matches as a whole. `what` says it in words, after "wanted". */
export function strMatching(pattern: RegExp, what = `a string that matches ${pattern}`): OptionType<string> {
  const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace("g", ""));
  return single(what, (value) => typeof value === "string" && whole.test(value));
}

/** Text whose definitions are joined, each from a line of its own. */
export const lines: OptionType<string> = {
  description: "text, whose definitions are joined line by line",
  accepts: (value) => typeof value === "string",
  merge: (definitions, at) => definitions.map((d) => checked(lines, d, at)).join("\n"),
};

/** A path from the root, in its shortest form: no `.` or `..`, no doubled or final slash, no newline. */
export const absolutePath: OptionType<string> = single(
  "an absolute path without `.`, `..`, `//` or a final `/`",
  (value) => isAbsolutePath(value),
);

export function isAbsolutePath(value: unknown): value is string {
  if (typeof value !== "string" || !value.startsWith("/") || /[\0\n]/.test(value)) return false;
  return (
    value === "/" ||
    value
      .slice(1)
      .split("/")
      .every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/** One of the given strings. */
function enumOf<const Values extends readonly string[]>(values: Values): OptionType<Values[number]> {
  return single(`one of ${values.map((value) => JSON.stringify(value)).join(", ")}`, (value) =>
    (values as readonly unknown[]).includes(value),
  );
}

export { enumOf as enum };

/** Any value. Sets are merged key by key, lists are joined, others must be equal. */
export const anything: OptionType<unknown> = {
  description: "any value",
  accepts: () => true,
  merge: mergeAnything,
};

export function nullOr<V, S>(type: OptionType<V, S>): OptionType<V | null, EitherShape<null, S>> {
  const whole: OptionType<V | null, EitherShape<null, S>> = {
    description: `null or ${type.description}`,
    inner: type.inner,
    named: type.named,
    empty: () => null,
    accepts: (value) => value === null || type.accepts(value),
    merge(definitions, at) {
      const [first, ...others] = definitions;
      if (definitions.every((d) => d.value === null)) return null;
      const differing = others.find((d) => (d.value === null) !== (first?.value === null));
      if (differing !== undefined) throw conflict(at.path, definitions);
      return type.merge(definitions, at);
    },
  };
  return whole;
}

/** The first of two types that all definitions belong to. */
export function either<A, SA, B, SB>(
  a: OptionType<A, SA>,
  b: OptionType<B, SB>,
): OptionType<A | B, EitherShape<SA, SB>> {
  const whole: OptionType<A | B, EitherShape<SA, SB>> = {
    description: `${a.description} or ${b.description}`,
    inner: a.inner ?? b.inner,
    named: a.named ?? b.named,
    accepts: (value) => a.accepts(value) || b.accepts(value),
    merge(definitions, at) {
      for (const definition of definitions) checked(whole, definition, at);
      if (definitions.every((d) => a.accepts(d.value))) return a.merge(definitions, at);
      if (definitions.every((d) => b.accepts(d.value))) return b.merge(definitions, at);
      throw conflict(at.path, definitions);
    },
  };
  return whole;
}

/** The first of several types that all definitions belong to. */
export function oneOf<const Types extends readonly [OptionType<unknown, unknown>, ...OptionType<unknown, unknown>[]]>(
  types: Types,
): OptionType<ValueIn<Types[number]>, ShapeIn<Types[number]>> {
  const [first, ...others] = types;
  const whole = others.reduce(
    (a, b) => either(a, b) as OptionType<unknown, unknown>,
    first as OptionType<unknown, unknown>,
  );
  return whole as OptionType<ValueIn<Types[number]>, ShapeIn<Types[number]>>;
}

type ValueIn<T> = T extends OptionType<infer V, infer _S> ? V : never;
type ShapeIn<T> = T extends OptionType<infer _V, infer S> ? S : never;

/** Takes values of `to`, and those of `from` after `convert`. */
export function coercedTo<A, SA, V, S>(
  from: OptionType<A, SA>,
  convert: (value: A) => unknown,
  to: OptionType<V, S>,
): OptionType<V, EitherShape<SA, S>> {
  return {
    description: `${to.description}, or ${from.description}`,
    inner: to.inner,
    named: to.named,
    accepts: (value) => from.accepts(value) || to.accepts(value),
    merge: (definitions, at) =>
      to.merge(
        definitions.map((d) => (from.accepts(d.value) ? { ...d, value: convert(from.merge([d], at)) } : d)),
        at,
      ),
  };
}

/** A type of values without an inside: all definitions must be the same value. */
function single<V>(description: string, accepts: (value: unknown) => boolean): OptionType<V> {
  const type: OptionType<V> = {
    description,
    accepts,
    merge(definitions, at) {
      const values = definitions.map((definition) => checked(type, definition, at));
      const [first] = values;
      if (first === undefined || values.some((value) => value !== first)) throw conflict(at.path, definitions);
      return first;
    },
  };
  return type;
}

function mergeAnything(definitions: readonly Resolved[], at: MergePoint): unknown {
  const values = definitions.map((d) => d.value);
  if (values.length === 1) return values[0];
  if (values.every(Array.isArray)) return values.flat();
  if (values.every(isRecord)) {
    const keys = [...new Set(values.flatMap((value) => Object.keys(value)))].sort();
    return Object.fromEntries(
      keys.map((key) => [
        key,
        mergeAnything(
          definitions.flatMap((d) => (isRecord(d.value) && key in d.value ? [{ ...d, value: d.value[key] }] : [])),
          { ...at, path: [...at.path, key] },
        ),
      ]),
    );
  }
  if (values.some((value) => value !== values[0])) throw conflict(at.path, definitions);
  return values[0];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The definition's value, if it belongs to the type. */
export function checked<V>(type: OptionType<V, unknown>, definition: Resolved, at: MergePoint): V {
  if (!type.accepts(definition.value)) throw wrongType(at.path, type.description, definition);
  return definition.value as V;
}
