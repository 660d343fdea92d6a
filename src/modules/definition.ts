/**
 * What a module says of an option: a value, or a value with properties (a condition, a priority, an order).
 * Any of them may be a function of the final configuration. The words are those of the NixOS module system.
 */
import { notAList } from "./errors.ts";
import { callerOf, type Place } from "./place.ts";

/** A definition of something of type `D`, in a configuration of type `C`. */
export type Definition<D, C> =
  | D
  | ((config: C) => Definition<D, C>)
  | If<C, D>
  | Merge<C, D>
  | Override<C, D>
  | Order<C, D>;

export interface If<C, D> {
  readonly kind: typeof IF;
  readonly condition: Condition<C>;
  readonly content: Definition<D, C>;
  readonly place: Place;
}

export interface Merge<C, D> {
  readonly kind: typeof MERGE;
  readonly contents: readonly Definition<D, C>[];
  readonly place: Place;
}

export interface Override<C, D> {
  readonly kind: typeof OVERRIDE;
  readonly priority: number;
  readonly content: Definition<D, C>;
  readonly place: Place;
}

export interface Order<C, D> {
  readonly kind: typeof ORDER;
  readonly order: number;
  readonly content: Definition<D, C>;
  readonly place: Place;
}

export type Condition<C> = boolean | ((config: C) => boolean);

/** Kinds are symbols, so that no value of a user's can be taken for one. */
export const IF: unique symbol = Symbol("mkIf");
export const MERGE: unique symbol = Symbol("mkMerge");
export const OVERRIDE: unique symbol = Symbol("mkOverride");
export const ORDER: unique symbol = Symbol("mkOrder");

/**
 * The configuration as a condition sees it where TypeScript cannot infer it yet, as at the top of a module that
 * declares options of its own. Evaluation checks every name that is read from it.
 */
// biome-ignore lint/suspicious/noExplicitAny: names declared beside the condition are not known to the compiler here
export type AnyConfig = { readonly [option: string]: any };

/** The definition counts only where the condition holds. The condition is looked at only when the value is needed. */
export function mkIf<C = AnyConfig, D = unknown>(condition: Condition<C>, content: Definition<D, C>): If<C, D> {
  return { kind: IF, condition, content, place: callerOf(mkIf) };
}

/** Several definitions in the place of one. */
export function mkMerge<C = AnyConfig, D = unknown>(contents: readonly Definition<D, C>[]): Merge<C, D> {
  const place = callerOf(mkMerge);
  if (!Array.isArray(contents)) throw notAList("mkMerge", contents, place);
  return { kind: MERGE, contents, place };
}

/** Of several definitions only those with the lowest priority number count. Without any it is 100. */
export function mkOverride<C = AnyConfig, D = unknown>(priority: number, content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority, content, place: callerOf(mkOverride) };
}

/** Beats every definition that is not forced too. */
export function mkForce<C = AnyConfig, D = unknown>(content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority: PRIORITY.force, content, place: callerOf(mkForce) };
}

/** Yields to every definition that is not a default too. */
export function mkDefault<C = AnyConfig, D = unknown>(content: Definition<D, C>): Override<C, D> {
  return { kind: OVERRIDE, priority: PRIORITY.default, content, place: callerOf(mkDefault) };
}

/** Where a list's elements, or a text's lines, stand among those of other definitions; without any it is 1000. */
export function mkOrder<C = AnyConfig, D = unknown>(order: number, content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order, content, place: callerOf(mkOrder) };
}

export function mkBefore<C = AnyConfig, D = unknown>(content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order: 500, content, place: callerOf(mkBefore) };
}

export function mkAfter<C = AnyConfig, D = unknown>(content: Definition<D, C>): Order<C, D> {
  return { kind: ORDER, order: 1500, content, place: callerOf(mkAfter) };
}

export const PRIORITY = { force: 50, normal: 100, default: 1000, optionDefault: 1500 } as const;
export const NORMAL_ORDER = 1000;

export type AnyProperty = If<never, unknown> | Merge<never, unknown> | Override<never, unknown> | Order<never, unknown>;

export function isProperty(value: unknown): value is AnyProperty {
  const kind = kindOf(value);
  return kind === IF || kind === MERGE || kind === OVERRIDE || kind === ORDER;
}

/** What one of our own constructors made the value for; `undefined` for a value of the user's. */
export function kindOf(value: unknown): symbol | undefined {
  if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
  return typeof value.kind === "symbol" ? value.kind : undefined;
}

export type PlainObject = { readonly [key: string]: unknown };

export function isPlainObject(value: unknown): value is PlainObject {
  if (typeof value !== "object" || value === null || isProperty(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
