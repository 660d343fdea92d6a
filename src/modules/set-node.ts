/** The nodes of a configuration: sets of options, each with the definitions that reach it. */
import { type AnyConfig, isPlainObject, isProperty, kindOf, PRIORITY } from "./definition.ts";
import { notASet, notDefined, readOnlyTwice, threw, undeclared, undeclaredRead } from "./errors.ts";
import { mkOption } from "./mk-option.ts";
import { type AnyOption, isOption, type OptionScope, type OptionTree, type OptionType } from "./option.ts";
import { dotted } from "./path.ts";
import type { Pending, Resolved } from "./pending.ts";
import { Place } from "./place.ts";
import type { Point } from "./point.ts";
import { callUser, counts, member, pendingOf, resolveAll, strongest, unwrap } from "./resolve.ts";
import { type Written, writtenAt } from "./written.ts";

export interface ExplainedDefinition {
  readonly place: Place;
  readonly value: unknown;
  readonly priority: number;
  /** `yields`: another definition has a stronger priority; `inactive`: its condition does not hold. */
  readonly state: "used" | "yields" | "inactive";
}

const COMPUTING: unique symbol = Symbol("computing");

class Failure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** Values of options whose default is the same everywhere. */
const constantDefault = new WeakMap<AnyOption, unknown>();

/** The value, kept where every host may share it. */
function remembered(option: AnyOption, value: unknown): unknown {
  const isConstant = typeof option.default !== "function" && kindOf(option.default) === undefined;
  const isEmpty =
    nodeOf(value) === undefined &&
    (Array.isArray(value) ? value.length === 0 : isPlainObject(value) && Object.keys(value).length === 0);
  if (isConstant && (isEmpty || typeof value !== "object" || value === null)) {
    constantDefault.set(option, value);
  }
  return value;
}

/** A class, because V8 keeps what a getter of an object literal refers to until it collects all garbage: here, a whole host. */
class Scope implements OptionScope {
  readonly config: AnyConfig;
  readonly name: string;
  readonly #whole: SetNode;

  constructor(config: AnyConfig, whole: SetNode, name: string) {
    this.config = config;
    this.name = name;
    this.#whole = whole;
  }

  get self(): AnyConfig {
    return this.#whole.proxy as AnyConfig;
  }

  get places(): readonly Place[] {
    return this.#whole.places;
  }
}

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
  #byName: ReadonlyMap<string, Pending[]> | undefined;
  /** The option of every name that is not declared, where such may be. */
  #other: AnyOption | undefined;
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
    if (known instanceof Failure) throw known.error;
    if (known === COMPUTING) throw this.#at.evaluation.cycleAt([...this.#at.path, name]);
    if (known !== undefined) return known;
    const declared = this.declared(name);
    if (declared === undefined) throw undeclaredRead([...this.#at.path, name], this.names());
    // Most options of most hosts have the default that they always have.
    if (this.#byName !== undefined && !this.#byName.has(name) && isOption(declared)) {
      const constant = constantDefault.get(declared);
      if (constant !== undefined) return constant;
    }
    this.#values.set(name, COMPUTING);
    try {
      const value = isOption(declared) ? this.#option(name, declared) : this.#set(name, declared);
      this.#values.set(name, value);
      return value;
    } catch (error) {
      // While errors are collected, every reader gets the same one.
      if (this.#at.evaluation.collecting) this.#values.set(name, new Failure(error));
      else this.#values.delete(name);
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
      place: Place.at(writtenAt(pending)),
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
      at.place = definitions[0] ?? option.place;
      const resolved = resolveAll(definitions, at, config);
      if (option.readOnly && resolved.length > 1) throw readOnlyTwice(at.path, resolved);
      if (resolved.length > 0) return option.type.merge(strongest(resolved), at);
      const written = this.#default(option, at);
      if (written.length > 0) return remembered(option, option.type.merge(written, at));
      if (option.type.empty !== undefined) return option.type.empty(at);
      throw notDefined(at.path, option.type.description, this.#heldAt(option));
    } catch (error) {
      const said = error instanceof RangeError ? threw(dotted(at.path), at.place ?? option.place, error) : error;
      if (!at.evaluation.collects(said)) throw said;
      return this.#instead(option, at, said);
    } finally {
      running.pop();
    }
  }

  /** A value for an option whose definitions are wrong, so that its readers can be checked too. */
  #instead(option: AnyOption, at: Point, error: unknown): unknown {
    const written = this.#default(option, at);
    if (written.length > 0) return option.type.merge(written, at);
    if (option.type.empty !== undefined) return option.type.empty(at);
    throw error;
  }

  /** Where the submodule that holds an option is written; for the whole configuration, where the option is declared. */
  #heldAt(option: AnyOption): Written {
    const written = this.#whole.#at.isRoot ? undefined : this.#whole.#definitions[0];
    return written ?? option.place;
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
    const pending: Pending = { ...pendingOf(value, place), priority: PRIORITY.optionDefault };
    return isProperty(value) ? strongest(resolveAll([pending], at, at.evaluation.config)) : [pending];
  }

  #scope(at: Point): OptionScope {
    const whole = this.#whole;
    return new Scope(at.evaluation.config as AnyConfig, whole, whole.#at.isRoot ? at.name : whole.#at.name);
  }

  /** Where it is defined. */
  get places(): readonly Place[] {
    const { collecting } = this.#at.evaluation;
    return this.#definitions.map((definition) => (collecting ? Place.at(writtenAt(definition)) : definition.place));
  }

  #point(name: string): Point {
    return this.#at.inside(name);
  }

  #definitionsOf(name: string): readonly Pending[] {
    return this.#named().get(name) ?? NO_DEFINITIONS;
  }

  /** The definitions by the name they are for. Conditions are not looked at: only names have to be known. */
  #named(): ReadonlyMap<string, Pending[]> {
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

  #byNames(): ReadonlyMap<string, Pending[]> {
    if (this.#definitions.length === 0) return NO_NAMES;
    const byName = new Map<string, Pending[]>();
    for (const definition of this.#definitions) {
      this.#at.place = definition; // for the case that it is a function, which may read what it defines
      for (const pending of unwrap(definition, this.#at, this.#at.evaluation.config)) {
        const { value } = pending;
        if (!isPlainObject(value)) {
          const error = notASet(this.#at.path, value, pending);
          if (!this.#at.evaluation.collects(error)) throw error;
          continue;
        }
        for (const name of Object.keys(value)) {
          const inner = member(pending, name, value[name]);
          if (this.#freeform === undefined && !Object.hasOwn(this.#tree, name)) {
            const error = undeclared([...this.#at.path, name], Object.keys(this.#tree), inner);
            if (!this.#at.evaluation.collects(error)) throw error;
            continue;
          }
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
    this.#other ??= mkOption({ type: this.#freeform });
    return this.#other;
  }
}

const NO_DEFINITIONS: readonly Pending[] = [];
const NO_NAMES: ReadonlyMap<string, Pending[]> = new Map();

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
