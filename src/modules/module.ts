/** Modules: typed values that declare options, define values for options, or both. */

import { requireObject } from "./arguments.ts";
import { isPlainObject } from "./definition.ts";
import { declaredTwice, notAList, notOptions, problem, shown } from "./errors.ts";
import { Evaluation } from "./evaluate.ts";
import { type ConfigOf, type DefinitionsOf, isOption, type OptionTree } from "./option.ts";
import type { Path } from "./path.ts";
import type { Pending } from "./pending.ts";
import { callerOf, type Place } from "./place.ts";
import { pendingOf } from "./resolve.ts";

/** A module that declares the options `O`, its imports' among them. */
export interface Module<O = unknown> {
  readonly kind: typeof MODULE;
  readonly imports: readonly ModuleLike[];
  readonly options: OptionTree;
  readonly config: unknown;
  readonly place: Place;
  /** Where its parts are written. */
  readonly within: ModulePlaces;
  readonly _options?: O;
}

export interface ModulePlaces {
  readonly imports: Place;
  readonly config: Place;
}

/** A plain object with none of the keys `imports`, `options`, `config` is a module that only defines. */
export type ModuleLike = Module | object;

export const MODULE: unique symbol = Symbol("defineModule");

export type OptionsOf<M> = M extends Module<infer O> ? O : unknown;

/**
 * `defineModule` where the options `Base` are known to be there. With the configuration as a second argument the
 * compiler knows the module's own options, and its imports', wherever a condition or a function reads them. In one
 * object it knows them too, except inside an `mkIf` around all of `config`.
 */
export interface DefineModule<Base> {
  <const D extends Declarations>(
    declarations: D,
    config: PlainModule<Base & NoInfer<OptionsIn<D>>>,
  ): Module<OptionsIn<D>>;
  <const O extends OptionTree = Record<never, never>, const I extends readonly ModuleLike[] = []>(module: {
    readonly imports?: I;
    readonly options?: O;
    readonly config?: PlainModule<Base & NoInfer<O & ImportedOptions<I>>>;
  }): Module<O & ImportedOptions<I>>;
}

export interface Declarations {
  readonly imports?: readonly ModuleLike[];
  readonly options?: OptionTree;
}

type OptionsIn<D> = (D extends { readonly options: infer O } ? O : unknown) &
  (D extends { readonly imports: infer I extends readonly ModuleLike[] } ? ImportedOptions<I> : unknown);

type ImportedOptions<I extends readonly ModuleLike[]> = I extends readonly [
  infer First,
  ...infer Rest extends readonly ModuleLike[],
]
  ? OptionsOf<First> & ImportedOptions<Rest>
  : unknown;

/** A module's configuration, where the options `Base` are declared. */
export type PlainModule<Base> = DefinitionsOf<Base, ConfigOf<Base>>;

/** Makes a module. Its definitions are remembered with the file and line of this call. */
export const defineModule: DefineModule<unknown> = function defineModule(
  module: Declarations & { readonly config?: unknown },
  config?: unknown,
) {
  requireObject(module, "defineModule", defineModule as never);
  const call = callerOf(defineModule as never, []);
  const within = { imports: call.inside(0, "imports"), config: call.inside(0, "config") };
  if (config === undefined) return moduleAt(module, call.whole, within);
  return moduleAt({ ...module, config }, call.whole, { ...within, config: call.inside(1) });
};

/** A module whose definitions have the place `place` in messages. */
export function moduleAt(
  module: { readonly imports?: readonly ModuleLike[]; readonly options?: OptionTree; readonly config?: unknown },
  place: Place,
  within: ModulePlaces = { imports: place.whole, config: place.whole },
): Module<never> {
  const { imports = [], options = {}, config = {} } = module;
  if (!Array.isArray(imports)) throw notAList("imports", imports, place);
  if (isOption(options)) throw notOptions([], options, place);
  checkOptions(options, [], place);
  return { kind: MODULE, imports, options, config, place, within };
}

/** Anything else than options would pass for an empty set of them. */
function checkOptions(options: unknown, path: Path, place: Place): void {
  if (isOption(options)) return;
  if (!isPlainObject(options) || isModule(options)) throw notOptions(path, options, place);
  for (const [name, inner] of Object.entries(options)) checkOptions(inner, [...path, name], place);
}

export interface EvaluationSettings {
  /** Modules that come before the others. */
  readonly before?: readonly ModuleLike[];
  /** Whether errors are collected, instead of throwing the first. */
  readonly collecting?: boolean;
}

/**
 * Evaluates modules, each once however often it is imported; a module's imports come before it.
 * `place` is that of the list, and told for the plain objects in it.
 */
export function evaluateModules(
  modules: readonly ModuleLike[],
  place: Place,
  { before = [], collecting = false }: EvaluationSettings = {},
): Evaluation {
  const seen = new Set<ModuleLike>();
  const collected = [...collect(before, place.whole, seen), ...collect(modules, place, seen)];
  const definitions: Pending[] = collected.map((module) => pendingOf(module.config, module.within.config));
  return new Evaluation(declaredOptions(collected), definitions, collecting);
}

function collect(modules: readonly ModuleLike[], place: Place, seen: Set<ModuleLike>): Module[] {
  return modules.flatMap((entry, index) => {
    if (seen.has(entry)) return [];
    seen.add(entry);
    const module = toModule(entry, place.inside(index));
    return [...collect(module.imports, module.within.imports, seen), module];
  });
}

function toModule(entry: ModuleLike, place: Place): Module {
  if (isModule(entry)) return entry;
  if (isPlainObject(entry)) {
    const keys = Object.keys(entry);
    const structural = keys.filter((key) => MODULE_KEYS.has(key));
    if (structural.length === 0) return moduleAt({ config: entry }, place, { imports: place, config: place });
    const strange = keys.find((key) => !MODULE_KEYS.has(key));
    const within = { imports: place.inside("imports"), config: place.inside("config") };
    if (strange === undefined) return moduleAt(entry, place, within);
    throw problem(
      `a module has both \`${structural[0]}\` and \`${strange}\``,
      [place],
      `move \`${strange}\` into \`config: { … }\``,
    );
  }
  if (typeof entry === "object" && entry !== null && "kind" in entry && typeof entry.kind === "symbol") {
    return moduleAt({ config: entry }, place); // mkIf(…), mkDefault(…) and the like around a whole module
  }
  throw problem(
    `a module is wanted, got ${shown(entry)}`,
    [place],
    typeof entry === "function"
      ? "is it a function that makes a module? then call it"
      : "use defineModule({ … }) or a plain object",
  );
}

const MODULE_KEYS = new Set(["imports", "options", "config"]);

export function isModule(value: unknown): value is Module {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === MODULE;
}

/** All declarations in one tree; an option is declared once. */
export function declaredOptions(modules: readonly Module[]): OptionTree {
  const trees = modules.map(({ options }) => options).filter((options) => Object.keys(options).length > 0);
  // Hosts of one fleet mostly have the options that the one before had.
  if (trees.length === last.trees.length && trees.every((tree, index) => tree === last.trees[index])) return last.whole;
  const whole = emptyTree();
  const own = new Set<unknown>([whole]);
  for (const tree of trees) declare(whole, tree, [], own);
  last = { trees, whole };
  return whole;
}

let last: { readonly trees: readonly OptionTree[]; readonly whole: OptionTree } = { trees: [], whole: {} };

type MutableTree = { [name: string]: OptionTree[string] };

/** Without a prototype: an option may be called `constructor`. */
function emptyTree(): MutableTree {
  return Object.create(null);
}

/** `own` holds the trees that were made here, so that no module's is written to. */
function declare(into: MutableTree, options: OptionTree, path: Path, own: Set<unknown>): void {
  for (const [name, node] of Object.entries(options)) {
    const here = into[name];
    if (here === undefined) {
      into[name] = node;
    } else if (isOption(node) || isOption(here)) {
      throw declaredTwice([...path, name], placesIn(here), placesIn(node));
    } else {
      const inner: MutableTree = own.has(here) ? here : Object.assign(emptyTree(), here);
      own.add(inner);
      into[name] = inner;
      declare(inner, node, [...path, name], own);
    }
  }
}

/** Where an option, or the first one in a tree, is declared. */
function placesIn(node: OptionTree[string]): Place | undefined {
  if (isOption(node)) return node.place;
  const [first] = Object.values(node);
  return first === undefined ? undefined : placesIn(first);
}
