/** Conditions, priorities and orders of definitions. The words are those of the NixOS module system. */
import {
  type AnyConfig,
  type Condition,
  type Definition,
  IF,
  type If,
  MERGE,
  type Merge,
  ORDER,
  type Order,
  OVERRIDE,
  type Override,
  PRIORITY,
} from "./definition.ts";
import { notAList } from "./errors.ts";
import { callerOf } from "./place.ts";

/** Which argument holds the definition. */
const FIRST = [0];
const SECOND = [1];

/** The definition counts only where the condition holds. The condition is looked at only when the value is needed. */
export function mkIf<C = AnyConfig, D = unknown>(condition: Condition<C>, content: Definition<D, C>): If<C, D> {
  return { kind: IF, condition, content, place: callerOf(mkIf, SECOND) };
}

/** Several definitions in the place of one. */
export function mkMerge<C = AnyConfig, D = unknown>(contents: readonly Definition<D, C>[]): Merge<C, D> {
  const place = callerOf(mkMerge, FIRST);
  if (!Array.isArray(contents)) throw notAList("mkMerge", contents, place);
  return { kind: MERGE, contents, place };
}

/** Of several definitions only those with the lowest priority number count. Without any it is 100. */
export function mkOverride<C = AnyConfig, D = unknown>(priority: number, content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority, content, place: callerOf(mkOverride, SECOND) };
}

/** Beats every definition that is not forced too. */
export function mkForce<C = AnyConfig, D = unknown>(content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority: PRIORITY.force, content, place: callerOf(mkForce, FIRST) };
}

/** Yields to every definition that is not a default too. */
export function mkDefault<C = AnyConfig, D = unknown>(content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority: PRIORITY.default, content, place: callerOf(mkDefault, FIRST) };
}

/** Where a list's elements, or a text's lines, stand among those of other definitions; without any it is 1000. */
export function mkOrder<C = AnyConfig, D = unknown>(order: number, content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order, content, place: callerOf(mkOrder, SECOND) };
}

export function mkBefore<C = AnyConfig, D = unknown>(content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order: 500, content, place: callerOf(mkBefore, FIRST) };
}

export function mkAfter<C = AnyConfig, D = unknown>(content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order: 1500, content, place: callerOf(mkAfter, FIRST) };
}
