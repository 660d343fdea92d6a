/** Options: what can be declared, with a type that says which values are right and how several are merged into one. */
import type { AnyConfig, Definition } from "./definition.ts";
import type { Path } from "./path.ts";
import type { Pending, Resolved } from "./pending.ts";
import type { Place } from "./place.ts";

/**
 * Which values an option takes. `V` is the final value; `S` describes what a definition may be (see `Shape`).
 * A type is plain data and functions: it holds no state.
 */
export interface OptionType<V, S = V> {
  /** For people, after "wanted": `a list of strings`. */
  readonly description: string;
  /** Whether a value belongs to the type, as far as this shows without evaluating what is inside it. */
  accepts(value: unknown): boolean;
  /** Several definitions in one value; `definitions` is never empty. Throws a `UserError` that names the option. */
  merge(definitions: readonly Resolved[], at: MergePoint): V;
  /** The value without a definition and without a default. */
  empty?(at: MergePoint): V;
  /** The options inside, for the reference: those of a submodule, or of the elements. */
  readonly inner?: OptionTree | undefined;
  /** Whether those stand below names of the user's choice, as in a set or a list. */
  readonly named?: boolean | undefined;
  readonly _shape?: S;
}

/** What a type may ask for while it merges. */
export interface MergePoint {
  /** The option's path: `["users", "alice", "uid"]`. */
  readonly path: Path;
  /** Merges what stands inside a value, each an `element` of a definition; `undefined` where none counts. */
  merge<V>(
    type: OptionType<V, unknown>,
    key: string,
    definitions: readonly Pending[],
  ): { readonly value: V } | undefined;
  /** The value of a submodule at this point, evaluated when it is read. */
  submodule(
    tree: OptionTree,
    freeform: OptionType<unknown, unknown> | undefined,
    definitions: readonly Resolved[],
  ): unknown;
}

export interface Option<V, S = V> {
  readonly kind: typeof OPTION;
  readonly type: OptionType<V, S>;
  /** A definition that yields to every other; a function of the scope is called when the value is needed. */
  readonly default?: unknown;
  /** What the reference prints instead of a computed default. */
  readonly defaultText?: string;
  readonly example?: unknown;
  readonly description: string;
  /** At most one definition. */
  readonly readOnly: boolean;
  /** Left out of the reference. */
  readonly internal: boolean;
  /** Where it is declared. */
  readonly place: Place;
}

export const OPTION: unique symbol = Symbol("mkOption");

export interface OptionTree {
  readonly [name: string]: AnyOption | OptionTree;
}

export type AnyOption = Option<unknown, unknown>;

/** What a default is computed from. */
export interface OptionScope {
  /** The whole final configuration. */
  readonly config: AnyConfig;
  /** The values of the submodule that holds the option, at any depth, or the whole configuration again. */
  readonly self: AnyConfig;
  /** The key of the submodule in its set, or the option's own name. */
  readonly name: string;
  /** Where the submodule that holds the option is defined. */
  readonly places: readonly Place[];
}

export function isOption(node: unknown): node is AnyOption {
  return typeof node === "object" && node !== null && "kind" in node && node.kind === OPTION;
}

/** The final configuration that an option tree gives. */
export type ConfigOf<T> = T extends Option<infer V, infer _S> ? V : { readonly [K in keyof T]: ConfigOf<T[K]> };

/** What a module may define for an option tree, in a configuration of type `C`. */
export type DefinitionsOf<T, C> =
  T extends Option<infer _V, infer S>
    ? Definition<Shaped<S, C>, C>
    : Definition<{ readonly [K in keyof T]?: DefinitionsOf<T[K], C> }, C>;

/**
 * Shapes say at compile time where inside a value further definitions may stand. They have no values.
 */
export interface ListShape<E> {
  readonly _list: E;
}
export interface AttrsShape<E> {
  readonly _attrs: E;
}
export interface TreeShape<T> {
  readonly _tree: T;
}
export interface FreeformShape<T, E> {
  readonly _freeform: [T, E];
}
export interface EitherShape<A, B> {
  readonly _either: [A, B];
}

export type Shaped<S, C> = [S] extends [ListShape<infer E>]
  ? readonly Definition<Shaped<E, C>, C>[]
  : [S] extends [AttrsShape<infer E>]
    ? { readonly [name: string]: Definition<Shaped<E, C>, C> }
    : [S] extends [TreeShape<infer T>]
      ? { readonly [K in keyof T]?: DefinitionsOf<T[K], C> }
      : [S] extends [FreeformShape<infer T, infer E>]
        ? { readonly [K in keyof T]?: DefinitionsOf<T[K], C> } & {
            // TypeScript has no "every other name", so the declared ones have to fit in here too.
            readonly [name: string]: Definition<Shaped<E, C>, C> | DefinitionsOf<T[keyof T], C> | undefined;
          }
        : [S] extends [EitherShape<infer A, infer B>]
          ? Shaped<A, C> | Shaped<B, C>
          : S;
