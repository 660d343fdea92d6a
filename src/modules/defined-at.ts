/** Where somebody writes a value: for errors that are found in the value, long after it was merged. */

import { UserError } from "../errors.ts";
import { isPlainObject } from "./definition.ts";
import { shown } from "./errors.ts";
import type { Pending, Resolved } from "./pending.ts";
import { counts, member, unwrap } from "./resolve.ts";

/** From the top of the configuration: names, and for an element of a list its value. */
export type ValuePath = readonly (string | { readonly element: unknown })[];

/** The definitions that count for what the path leads to, without those that fail when they are looked into. */
export function definitionsOf(path: ValuePath, all: readonly Pending[], config: unknown): readonly Resolved[] {
  const located = { path: path.map((step) => (typeof step === "string" ? step : shown(step.element))) };
  const unwrapped = (definitions: readonly Pending[]) =>
    definitions.flatMap((definition) => ifTold(() => unwrap(definition, located, config)) ?? []);
  let definitions = unwrapped(all);
  for (const step of path) {
    const inside = definitions.flatMap((definition) =>
      valuesIn(definition.value, step).map(([key, value]) => member(definition, key, value)),
    );
    definitions = unwrapped(inside);
  }
  return definitions.filter((definition) => ifTold(() => counts(definition, config)));
}

function valuesIn(value: unknown, step: ValuePath[number]): [key: string | number, value: unknown][] {
  if (typeof step === "string") return isPlainObject(value) && Object.hasOwn(value, step) ? [[step, value[step]]] : [];
  if (!Array.isArray(value)) return [];
  return [...value.entries()].filter(([, one]) => one === step.element);
}

function ifTold<T>(tell: () => T): T | undefined {
  try {
    return tell();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return undefined;
  }
}
