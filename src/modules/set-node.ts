/** The nodes of a configuration: sets of options, each with the definitions that reach it. */
import { type AnyConfig, isPlainObject, isProperty, NORMAL_ORDER, PRIORITY } from "./definition.ts";
import { dotted, notASet, notDefined, readOnlyTwice, threw, undeclared, undeclaredRead } from "./errors.ts";
import { type AnyOption, isOption, mkOption, type OptionScope, type OptionTree, type OptionType } from "./option.ts";
import type { Place } from "./place.ts";
import type { Point } from "./point.ts";
import { callUser, counts, type Pending, type Resolved, resolveAll, strongest, unwrap } from "./resolve.ts";

export interface ExplainedDefinition {
  readonly place: Place;
  readonly value: unknown;
  readonly priority: number;
  /** `yields`: another definition has a stronger priority; `inactive`: its condition does not hold. */
  readonly state: "used" | "yields" | "inactive";
}

const COMPUTING: unique symbol = Symbol("computing");

/** A set of options with the definitions that reach it. */
export class SetNode {
  /** The set as users see it: a plain object whose values are computed when they are read. */
  readonly proxy: object;
  readonly #at: Point;
  readonly #tree: OptionTree;
  readonly #freeform: OptionType<unknown, unknown> | undefined;
  readonly #definitions: readonly Pending[];
  readonly #values = new Map<string, unknown>();
  /** The set itself, or the submodule or configuration that it is a part of. */
  readonly #whole: SetNode;
  #byName: Map<string, Pending[]> | undefined;
  #naming = false;

  constructor(
    at: Point,
    tree: OptionTree,
    freeform: OptionType<unknown, unknown> | undefined,
    definitions: readonly Pending[],
    whole?: SetNode,
  ) {
    this.#whole = whole ?? this;
    this.#at = at;
    this.#tree = tree;
    this.#freeform = freeform;
    this.#definitions = definitions;
    this.proxy = new Proxy({ [NODE]: this }, SET_HANDLER);
  }

  declared(name: string): AnyOption | OptionTree | undefined {
    return Object.hasOwn(this.#tree, name) ? this.#tree[name] : this.#freeformOption(name);
  }

  names(): string[] {
    const declared = Object.keys(this.#tree);
    return this.#freeform === undefined ? declared : [...new Set([...declared, ...[...this.#named().keys()].sort()])];
  }

  read(name: string): unknown {
    const known = this.#values.get(name);
    if (known === COMPUTING) throw this.#at.evaluation.cycleAt([...this.#at.path, name]);
    if (known !== undefined) return known;
    const declared = this.declared(name);
    if (declared === undefined) throw undeclaredRead([...this.#at.path, name], this.names());
    this.#values.set(name, COMPUTING);
    try {
      const value = isOption(declared) ? this.#option(name, declared) : this.#set(name, declared);
      this.#values.set(name, value);
      return value;
    } catch (error) {
      this.#values.delete(name);
      throw error;
    }
  }

  explain(name: string): ExplainedDefinition[] {
    const at = this.#point(name);
    const { config } = at.evaluation;
    const candidates = this.#definitionsOf(name).flatMap((pending) => unwrap(pending, at, config));
    const active = candidates.filter((pending) => counts(pending, config));
    const strong = new Set<Resolved>(strongest(active));
    return candidates.map((pending) => ({
      place: pending.place,
      value: pending.value,
      priority: pending.priority,
      state: strong.has(pending) ? "used" : active.includes(pending) ? "yields" : "inactive",
    }));
  }

  #set(name: string, tree: OptionTree): unknown {
    return new SetNode(this.#point(name), tree, undefined, this.#definitionsOf(name), this.#whole).proxy;
  }

  #option(name: string, option: AnyOption): unknown {
    const at = this.#point(name);
    at.place = option.place;
    const { running, config } = at.evaluation;
    running.push(at);
    try {
      const definitions = this.#definitionsOf(name);
      at.place = definitions[0]?.place ?? option.place;
      const resolved = resolveAll(definitions, at, config);
      if (option.readOnly && resolved.length > 1) throw readOnlyTwice(at.path, resolved);
      const counting = resolved.length > 0 ? strongest(resolved) : this.#default(option, at);
      if (counting.length > 0) return option.type.merge(counting, at);
      if (option.type.empty !== undefined) return option.type.empty(at);
      throw notDefined(at.path, option.type.description);
    } catch (error) {
      if (error instanceof RangeError) throw threw(dotted(at.path), at.place, error);
      throw error;
    } finally {
      running.pop();
    }
  }

  #default(option: AnyOption, at: Point): readonly Resolved[] {
    const { default: written, place } = option;
    const value =
      typeof written === "function"
        ? callUser(
            () => `the default of ${dotted(at.path)}`,
            place,
            () => written(this.#scope(at)),
          )
        : written;
    if (value === undefined) return [];
    const pending: Pending = { value, guards: [], priority: PRIORITY.optionDefault, order: NORMAL_ORDER, place };
    return isProperty(value) ? strongest(resolveAll([pending], at, at.evaluation.config)) : [pending];
  }

  #scope(at: Point): OptionScope {
    return {
      config: at.evaluation.config as AnyConfig,
      self: this.#whole.proxy as AnyConfig,
      name: this.#whole.#at.isRoot ? at.name : this.#whole.#at.name,
      places: this.#whole.#definitions.map((definition) => definition.place),
    };
  }

  #point(name: string): Point {
    return this.#at.inside(name);
  }

  #definitionsOf(name: string): readonly Pending[] {
    return this.#named().get(name) ?? [];
  }

  /** The definitions by the name they are for. Conditions are not looked at: only names have to be known. */
  #named(): Map<string, Pending[]> {
    if (this.#byName !== undefined) return this.#byName;
    const { running } = this.#at.evaluation;
    if (this.#naming) throw this.#at.evaluation.cycleAt(this.#at.path);
    this.#naming = true;
    running.push(this.#at);
    try {
      this.#byName = this.#byNames();
      return this.#byName;
    } finally {
      this.#naming = false;
      running.pop();
    }
  }

  #byNames(): Map<string, Pending[]> {
    const byName = new Map<string, Pending[]>();
    for (const definition of this.#definitions) {
      this.#at.place = definition.place; // for the case that it is a function, which may read what it defines
      for (const pending of unwrap(definition, this.#at, this.#at.evaluation.config)) {
        const { value, place } = pending;
        if (!isPlainObject(value)) throw notASet(this.#at.path, value, place);
        for (const name of Object.keys(value)) {
          if (this.#freeform === undefined && !Object.hasOwn(this.#tree, name)) {
            throw undeclared([...this.#at.path, name], Object.keys(this.#tree), place);
          }
          const inner = { ...pending, value: value[name] };
          const list = byName.get(name);
          if (list === undefined) byName.set(name, [inner]);
          else list.push(inner);
        }
      }
    }
    return byName;
  }

  #freeformOption(name: string): AnyOption | undefined {
    if (this.#freeform === undefined || !this.#named().has(name)) return undefined;
    return mkOption({ type: this.#freeform });
  }
}

/** The node behind a set that a configuration has handed out. */
export function nodeOf(value: unknown): SetNode | undefined {
  return typeof value === "object" && value !== null ? (value as { readonly [NODE]?: SetNode })[NODE] : undefined;
}

const NODE: unique symbol = Symbol("node");

interface Target {
  readonly [NODE]: SetNode;
}

const SET_HANDLER: ProxyHandler<Target> = {
  get(target, name) {
    if (name === NODE) return target[NODE];
    if (typeof name === "symbol") return undefined;
    // The language itself asks every object for these two.
    if ((name === "toJSON" || name === "then") && target[NODE].declared(name) === undefined) return undefined;
    return target[NODE].read(name);
  },
  has: (target, name) => typeof name === "string" && target[NODE].declared(name) !== undefined,
  ownKeys: (target) => target[NODE].names(),
  getOwnPropertyDescriptor(target, name) {
    if (typeof name === "symbol" || target[NODE].declared(name) === undefined) return undefined;
    // A getter, so that listing the names does not compute the values.
    return { get: () => target[NODE].read(name), enumerable: true, configurable: true };
  },
  defineProperty: () => false,
  deleteProperty: () => false,
};
