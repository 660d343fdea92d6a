/** The types with an inside: lists, sets and submodules. */
import { requireTree, requireType } from "./arguments.ts";
import { isPlainObject } from "./definition.ts";
import { conflict } from "./errors.ts";
import type { AttrsShape, ConfigOf, FreeformShape, ListShape, OptionTree, OptionType, TreeShape } from "./option.ts";
import type { Pending } from "./pending.ts";
import { element } from "./resolve.ts";
import { checked } from "./types.ts";

/** A list. The definitions' elements are joined, in the order of the modules and of `mkOrder`. */
export function listOf<V, S>(type: OptionType<V, S>): OptionType<readonly V[], ListShape<S>> {
  requireType(type, "listOf", listOf);
  const whole: OptionType<readonly V[], ListShape<S>> = {
    description: `a list, each element ${type.description}`,
    inner: type.inner,
    named: true,
    empty: () => [],
    accepts: Array.isArray,
    merge(definitions, at) {
      const values: V[] = [];
      for (const definition of definitions) {
        const elements: unknown = checked(whole, definition, at);
        if (!Array.isArray(elements)) continue;
        for (const [index, value] of elements.entries()) {
          const merged = at.merge(type, `${values.length}`, [element(definition, index, value)]);
          if (merged !== undefined) values.push(merged.value);
        }
      }
      return values;
    },
  };
  return whole;
}

/** A set with names of the user's choice, merged name by name; the names are sorted. */
export function attrsOf<V, S>(type: OptionType<V, S>): OptionType<{ readonly [name: string]: V }, AttrsShape<S>> {
  requireType(type, "attrsOf", attrsOf);
  const whole: OptionType<{ readonly [name: string]: V }, AttrsShape<S>> = {
    description: `a set, each value ${type.description}`,
    inner: type.inner,
    named: true,
    empty: () => ({}),
    accepts: isPlainObject,
    merge(definitions, at) {
      const byName = new Map<string, Pending[]>();
      for (const definition of definitions) {
        for (const [name, value] of Object.entries(checked(whole, definition, at))) {
          const list = byName.get(name);
          if (list === undefined) byName.set(name, [element(definition, name, value)]);
          else list.push(element(definition, name, value));
        }
      }
      const entries: [string, V][] = [];
      for (const name of [...byName.keys()].sort()) {
        const merged = at.merge(type, name, byName.get(name) ?? []);
        if (merged !== undefined) entries.push([name, merged.value]);
      }
      return Object.fromEntries(entries);
    },
  };
  return whole;
}

/** Any value. Sets are merged name by name, lists are joined, others must be the same. */
export const anything: OptionType<unknown, AnyValue> = {
  description: "any value",
  accepts: () => true,
  merge(definitions, at) {
    const values = definitions.map((definition) => definition.value);
    if (values.every(Array.isArray)) return anyList.merge(definitions, at);
    if (values.every(isPlainObject)) return anySet.merge(definitions, at);
    if (values.some((value) => !Object.is(value, values[0]))) throw conflict(at.path, definitions);
    return values[0];
  },
};

/** Not `unknown`, which would hide from the compiler what a function there is called with. */
type AnyValue = object | string | number | boolean | null;

const anyList = listOf(anything);
const anySet = attrsOf(anything);

/** A set with declared options. Its defaults know its `name`, the values beside them, and the whole configuration. */
export function submodule<const T extends OptionTree>(options: T): OptionType<ConfigOf<T>, TreeShape<T>> {
  requireTree(options, "submodule", submodule);
  return submoduleType<ConfigOf<T>, TreeShape<T>>(options, undefined);
}

/** A submodule that takes other names too, each of the given type. */
export function freeformSubmodule<const T extends OptionTree, V, S>(
  options: T,
  freeform: OptionType<V, S>,
): OptionType<ConfigOf<T> & { readonly [name: string]: V | ConfigOf<T[keyof T]> }, FreeformShape<T, S>> {
  requireTree(options, "freeformSubmodule", freeformSubmodule);
  requireType(freeform, "freeformSubmodule", freeformSubmodule);
  return submoduleType(options, freeform);
}

function submoduleType<V, S>(
  options: OptionTree,
  freeform: OptionType<unknown, unknown> | undefined,
): OptionType<V, S> {
  const whole: OptionType<V, S> = {
    description: "an object with its own options",
    inner: options,
    empty: (at) => at.submodule(options, freeform, []) as V,
    accepts: isPlainObject,
    merge(definitions, at) {
      for (const definition of definitions) checked(whole, definition, at);
      return at.submodule(options, freeform, definitions) as V;
    },
  };
  return whole;
}
