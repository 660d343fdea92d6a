/**
 * From modules to the final configuration. Each option's value is computed once, when it is first read; what it reads
 * in turn is computed then. There is one pass and no iteration: a value that needs itself is an error.
 */
import { isPlainObject, NORMAL_ORDER, PRIORITY } from "./definition.ts";
import { cycle, notASet, notDefined, readOnlyTwice, threw, undeclared } from "./errors.ts";
import {
  type AnyOption,
  isOption,
  type MergePoint,
  mkOption,
  type OptionTree,
  type OptionType,
  type Path,
} from "./option.ts";
import { Place } from "./place.ts";
import { counts, type Pending, type Resolved, resolve, strongest, unwrap } from "./resolve.ts";

/** One evaluation: its configuration, and how each value came about. */
export class Evaluation {
  readonly #root: SetNode;
  readonly #running: Frame[] = [];

  constructor(options: OptionTree, definitions: readonly Pending[]) {
    this.#root = new SetNode(this, options, undefined, [], definitions);
  }

  /** The final configuration; reading a name that no module declares is an error. */
  get config(): unknown {
    return this.#root.proxy;
  }

  /** Every value, computed, as plain data. Internal options are left out. */
  all(): unknown {
    return this.plain(this.#root.proxy);
  }

  /** A value of this configuration as plain data. */
  plain(value: unknown): unknown {
    return plain(value, false);
  }

  /** Computes every value, the internal ones too, so that whatever is wrong is found. */
  force(): void {
    plain(this.#root.proxy, true);
  }

  /** The option that the path leads to or into, and what was said of it. */
  explain(path: Path): Explanation {
    let node = this.#root;
    let found: Explanation | undefined;
    for (let depth = 0; depth < path.length; depth++) {
      const declared = node.declared(path[depth] ?? "");
      if (declared === undefined) throw undeclared(path.slice(0, depth + 1), node.names(), undefined);
      const here = path.slice(0, depth + 1);
      if (!isOption(declared)) {
        const child = NODES.get(node.read(path[depth] ?? "") as object);
        if (child === undefined) break;
        node = child;
        continue;
      }
      let value: unknown = node.read(path[depth] ?? "");
      found = { path: here, option: declared, value, definitions: node.explain(path[depth] ?? "") };
      // The rest of the path leads into the value, perhaps to a submodule with options of its own.
      while (depth + 1 < path.length && isPlainObject(value) && !NODES.has(value)) {
        depth += 1;
        const step = path[depth] ?? "";
        if (!Object.hasOwn(value, step)) throw undeclared(path.slice(0, depth + 1), Object.keys(value), undefined);
        value = value[step];
        found = { ...found, path: path.slice(0, depth + 1), value };
      }
      const inner = typeof value === "object" && value !== null ? NODES.get(value) : undefined;
      if (inner === undefined) break;
      node = inner;
    }
    return found ?? { path, option: undefined, value: node.proxy, definitions: [] };
  }

  /** Runs a computation of an option's value, and knows the chain of options that led there. */
  enter<T>(frame: Frame, compute: () => T): T {
    this.#running.push(frame);
    try {
      return compute();
    } catch (error) {
      if (error instanceof RangeError) throw threw(frame.path.join("."), frame.places[0] ?? NOWHERE, error);
      throw error;
    } finally {
      this.#running.pop();
    }
  }

  /** The error for an option that is read while it is being computed. */
  cycleAt(path: Path): Error {
    const name = path.join("\0");
    const start = this.#running.findIndex((frame) => frame.path.join("\0") === name);
    const chain = this.#running.slice(Math.max(start, 0)).map(({ path, places }) => ({ path, place: places[0] }));
    return cycle([...chain, { path, place: undefined }]);
  }
}

export interface Explanation {
  readonly path: Path;
  readonly option: AnyOption | undefined;
  readonly value: unknown;
  readonly definitions: readonly ExplainedDefinition[];
}

export interface ExplainedDefinition {
  readonly place: Place;
  readonly value: unknown;
  readonly priority: number;
  /** `yields`: another definition has a stronger priority; `inactive`: its condition does not hold. */
  readonly state: "used" | "yields" | "inactive";
}

interface Frame {
  readonly path: Path;
  places: readonly Place[];
}

const NOWHERE = new Place({});
const COMPUTING: unique symbol = Symbol("computing");
/** The node behind each set that a configuration hands out. */
const NODES = new WeakMap<object, SetNode>();

/** A set of options with the definitions that reach it. */
class SetNode {
  readonly proxy: object;
  readonly #evaluation: Evaluation;
  readonly #tree: OptionTree;
  readonly #freeform: OptionType<unknown, unknown> | undefined;
  readonly #path: Path;
  readonly #definitions: readonly Pending[];
  readonly #values = new Map<string, unknown>();
  #byName: Map<string, Pending[]> | undefined;

  constructor(
    evaluation: Evaluation,
    tree: OptionTree,
    freeform: OptionType<unknown, unknown> | undefined,
    path: Path,
    definitions: readonly Pending[],
  ) {
    this.#evaluation = evaluation;
    this.#tree = tree;
    this.#freeform = freeform;
    this.#path = path;
    this.#definitions = definitions;
    this.proxy = new Proxy(Object.create(null), new SetHandler(this));
    NODES.set(this.proxy, this);
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
    if (known === COMPUTING) throw this.#evaluation.cycleAt([...this.#path, name]);
    if (known !== undefined) return known;
    const declared = this.declared(name);
    if (declared === undefined) throw undeclared([...this.#path, name], this.names(), undefined);
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
    const path = [...this.#path, name];
    const config = this.#evaluation.config;
    const candidates = (this.#named().get(name) ?? []).flatMap((pending) => unwrap(pending, path, config));
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
    return new SetNode(this.#evaluation, tree, undefined, [...this.#path, name], this.#named().get(name) ?? []).proxy;
  }

  #option(name: string, option: AnyOption): unknown {
    const path = [...this.#path, name];
    const frame: Frame = { path, places: [] };
    return this.#evaluation.enter(frame, () => {
      const pendings = this.#named().get(name) ?? [];
      frame.places = [...pendings.map((pending) => pending.place), option.place];
      const config = this.#evaluation.config;
      const resolved = pendings.flatMap((pending) => resolve(pending, path, config));
      if (option.readOnly && resolved.length > 1) throw readOnlyTwice(path, resolved);
      const at = this.#mergePoint(path);
      if (resolved.length > 0) return option.type.merge(strongest(resolved), at);
      if (option.default !== undefined) return option.type.merge(this.#default(name, option, path), at);
      if (option.type.empty !== undefined) return option.type.empty(at);
      throw notDefined(path, option.type.description);
    });
  }

  #default(name: string, option: AnyOption, path: Path): readonly Resolved[] {
    const written = option.default;
    const self = this.proxy;
    const inSubmodule = this.#path.at(-1) ?? name;
    const places = this.#definitions.map((definition) => definition.place);
    const value =
      typeof written === "function"
        ? (config: unknown) => written({ config, self, name: inSubmodule, places })
        : written;
    const pending: Pending = {
      value,
      guards: [],
      priority: PRIORITY.optionDefault,
      order: NORMAL_ORDER,
      place: option.place,
    };
    return strongest(resolve(pending, path, this.#evaluation.config));
  }

  #mergePoint(path: Path): MergePoint {
    const evaluation = this.#evaluation;
    const point = (here: Path): MergePoint => ({
      path: here,
      merge(type, key, definitions) {
        const inside = [...here, key];
        const resolved = definitions.flatMap((d) =>
          resolve({ ...d, guards: [], priority: PRIORITY.normal }, inside, evaluation.config),
        );
        if (resolved.length === 0) return undefined;
        return { value: type.merge(strongest(resolved), point(inside)) };
      },
      submodule: (tree, freeform, definitions) =>
        new SetNode(
          evaluation,
          tree,
          freeform,
          here,
          definitions.map((d) => ({ ...d, guards: [], priority: PRIORITY.normal })),
        ).proxy,
    });
    return point(path);
  }

  /** The definitions by the name they are for. Conditions are not looked at: only names have to be known. */
  #named(): Map<string, Pending[]> {
    if (this.#byName !== undefined) return this.#byName;
    const byName = new Map<string, Pending[]>();
    for (const definition of this.#definitions) {
      for (const pending of unwrap(definition, this.#path, this.#evaluation.config)) {
        const { value, place } = pending;
        if (!isPlainObject(value)) throw notASet(this.#path, value, place);
        for (const name of Object.keys(value)) {
          if (this.#freeform === undefined && !Object.hasOwn(this.#tree, name)) {
            throw undeclared([...this.#path, name], Object.keys(this.#tree), place);
          }
          const inner = { ...pending, value: value[name] };
          const list = byName.get(name);
          if (list === undefined) byName.set(name, [inner]);
          else list.push(inner);
        }
      }
    }
    this.#byName = byName;
    return byName;
  }

  #freeformOption(name: string): AnyOption | undefined {
    if (this.#freeform === undefined || !this.#named().has(name)) return undefined;
    return mkOption({ type: this.#freeform });
  }
}

/** A set looks like a plain object whose values are computed when they are read. */
class SetHandler implements ProxyHandler<object> {
  readonly #node: SetNode;

  constructor(node: SetNode) {
    this.#node = node;
  }

  get(_target: object, name: string | symbol): unknown {
    // `toJSON` and `then` are asked for by the language itself.
    if (typeof name === "symbol" || name === "toJSON" || name === "then") return undefined;
    return this.#node.read(name);
  }

  has(_target: object, name: string | symbol): boolean {
    return typeof name === "string" && this.#node.declared(name) !== undefined;
  }

  ownKeys(): string[] {
    return this.#node.names();
  }

  getOwnPropertyDescriptor(_target: object, name: string | symbol): PropertyDescriptor | undefined {
    if (typeof name === "symbol" || this.#node.declared(name) === undefined) return undefined;
    return { value: this.#node.read(name), enumerable: true, configurable: true, writable: false };
  }
}

function plain(value: unknown, withInternal: boolean): unknown {
  if (Array.isArray(value)) return value.map((element) => plain(element, withInternal));
  if (typeof value !== "object" || value === null) return value;
  const node = NODES.get(value);
  if (node === undefined && !isPlainObject(value)) return value;
  const names = (node?.names() ?? Object.keys(value)).filter((name) => {
    const declared = node?.declared(name);
    return withInternal || !isOption(declared) || !declared.internal;
  });
  return Object.fromEntries(
    names.map((name) => [name, plain(node === undefined ? Reflect.get(value, name) : node.read(name), withInternal)]),
  );
}
