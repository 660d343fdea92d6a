/** The types of single values, and those that wrap another type. */
import { requireStrings, requireType } from "./arguments.ts";
import { conflict, wrongType } from "./errors.ts";
import type { EitherShape, MergePoint, OptionType } from "./option.ts";
import { dotted } from "./path.ts";
import type { Resolved } from "./pending.ts";
import { callUser } from "./resolve.ts";

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
  // Not `^` and `$`, which the flag `m` moves to every line; without `g` and `y`, which remember the last match.
  const whole = new RegExp(`(?<![^])(?:${pattern.source})(?![^])`, pattern.flags.replace(/[gy]/g, ""));
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
  requireStrings(values, "enum", enumOf);
  return single(`one of ${values.map((value) => JSON.stringify(value)).join(", ")}`, (value) =>
    (values as readonly unknown[]).includes(value),
  );
}

export { enumOf as enum };

export function nullOr<V, S>(type: OptionType<V, S>): OptionType<V | null, EitherShape<null, S>> {
  requireType(type, "nullOr", nullOr);
  const whole: OptionType<V | null, EitherShape<null, S>> = {
    description: `null or ${type.description}`,
    inner: type.inner,
    named: type.named,
    empty: () => null,
    accepts: (value) => value === null || type.accepts(value),
    merge(definitions, at) {
      for (const definition of definitions) checked(whole, definition, at);
      const nulls = definitions.filter((d) => d.value === null).length;
      if (nulls === definitions.length) return null;
      if (nulls > 0) throw conflict(at.path, definitions);
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
  for (const type of [a, b]) requireType(type, "either", either);
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
  for (const type of [from, to]) requireType(type, "coercedTo", coercedTo);
  const whole: OptionType<V, EitherShape<SA, S>> = {
    description: `${to.description}, or ${from.description}`,
    inner: to.inner,
    named: to.named,
    accepts: (value) => from.accepts(value) || to.accepts(value),
    merge(definitions, at) {
      const converted = definitions.map((definition) => {
        checked(whole, definition, at);
        if (!from.accepts(definition.value)) return definition;
        const value = from.merge([definition], at);
        return {
          ...definition,
          value: callUser(
            () => dotted(at.path),
            definition,
            () => convert(value),
          ),
        };
      });
      return to.merge(converted, at);
    },
  };
  return whole;
}

/** A type of values without an inside: all definitions must be the same value. */
function single<V>(description: string, accepts: (value: unknown) => boolean): OptionType<V> {
  const type: OptionType<V> = {
    description,
    accepts,
    merge(definitions, at) {
      if (definitions.length === 1 && definitions[0] !== undefined) return checked(type, definitions[0], at);
      const values = definitions.map((definition) => checked(type, definition, at));
      const [first] = values;
      if (first === undefined || values.some((value) => value !== first)) throw conflict(at.path, definitions);
      return first;
    },
  };
  return type;
}

/** The definition's value, if it belongs to the type. */
export function checked<V>(type: OptionType<V, unknown>, definition: Resolved, at: MergePoint): V {
  if (!type.accepts(definition.value)) throw wrongType(at.path, type.description, definition);
  return definition.value as V;
}
