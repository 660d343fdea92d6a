/**
 * What a module says about an option: a value, or a value with properties (a condition, a priority, an order).
 * Any of them may be a function of the final configuration. The words are those of the NixOS module system.
 */
import type { Place } from "./place.ts";

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
