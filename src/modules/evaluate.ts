/**
 * From modules to the final configuration. Each option's value is computed once, when it is first read; what it reads
 * in turn is computed then. There is one pass and no iteration: a value that needs itself is an error.
 */

import { type Problem, problemsIn, UserError } from "../errors.ts";
import { definitionsOf, type ValuePath } from "./defined-at.ts";
import { isPlainObject } from "./definition.ts";
import { cycle, undeclared } from "./errors.ts";
import { type AnyOption, isOption, type OptionTree, type OptionType } from "./option.ts";
import type { Path } from "./path.ts";
import type { Pending } from "./pending.ts";
import { isByFramework } from "./place.ts";
import { type Evaluating, Point } from "./point.ts";
import { type ExplainedDefinition, nodeOf, SetNode } from "./set-node.ts";
import { writtenAt } from "./written.ts";

/** One evaluation: its configuration, and how each value came about. */
export class Evaluation implements Evaluating {
  readonly #root: SetNode;
  readonly #definitions: readonly Pending[];
  #forced: unknown;
  readonly running: Point[] = [];
  /** The errors so far, while they are collected: the configuration then leaves out what is wrong. */
  readonly problems: Problem[] = [];
  readonly collecting: boolean;

  constructor(options: OptionTree, definitions: readonly Pending[], collecting = false) {
    this.collecting = collecting;
    this.#definitions = definitions;
    this.#root = new SetNode(new Point(this, undefined, ""), options, undefined, definitions);
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
    return plain(value);
  }

  /** Computes every value, the internal ones too, so that whatever is wrong is found. */
  force(): void {
    const forced = this.#force(this.#root.proxy);
    if (!this.collecting) this.#forced = forced;
  }

  /** What `config` says, as plain data once everything is computed, which is faster to read. */
  get values(): unknown {
    return this.#forced ?? this.#root.proxy;
  }

  #force(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.length === 0 ? value : value.map((inner) => this.#force(inner));
    const node = nodeOf(value);
    if (node === undefined) {
      if (!isPlainObject(value)) return value;
      return plainObject(Object.keys(value), (name) => this.#force(value[name]));
    }
    return plainObject(node.names(), (name) => {
      try {
        return this.#force(node.read(name));
      } catch (error) {
        if (!this.collects(error)) throw error;
        return undefined;
      }
    });
  }

  collects(error: unknown): boolean {
    if (!this.collecting || !(error instanceof UserError)) return false;
    this.problems.push(...problemsIn(error));
    return true;
  }

  set(
    at: Point,
    tree: OptionTree,
    freeform: OptionType<unknown, unknown> | undefined,
    definitions: readonly Pending[],
  ): unknown {
    return new SetNode(at, tree, freeform, definitions).proxy;
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
        const child = nodeOf(node.read(path[depth] ?? ""));
        if (child === undefined) break;
        node = child;
        continue;
      }
      let value: unknown = node.read(path[depth] ?? "");
      found = { path: here, option: declared, value, definitions: node.explain(path[depth] ?? "") };
      // The rest of the path leads into the value, perhaps to a submodule with options of its own.
      while (depth + 1 < path.length && isPlainObject(value) && nodeOf(value) === undefined) {
        depth += 1;
        const step = path[depth] ?? "";
        if (!Object.hasOwn(value, step)) throw undeclared(path.slice(0, depth + 1), Object.keys(value), undefined);
        value = value[step];
        found = { ...found, path: path.slice(0, depth + 1), value };
      }
      const inner = nodeOf(value);
      if (inner === undefined) break;
      node = inner;
    }
    return found ?? { path, option: undefined, value: node.proxy, definitions: [] };
  }

  /** Where people define what the path leads to, or what holds it; if nobody does, where modules of this project do. */
  definedAt(path: ValuePath): string[] {
    for (let length = path.length; length > 0; length--) {
      const places = definitionsOf(path.slice(0, length), this.#definitions, this.config).map(writtenAt);
      const persons = places.filter((place) => !isByFramework(place));
      if (places.length > 0) return [...new Set(persons.length > 0 ? persons : places)];
    }
    return [];
  }

  cycleAt(path: Path): Error {
    const name = path.join("\0");
    const start = this.running.findIndex((point) => point.path.join("\0") === name);
    const chain = this.running.slice(Math.max(start, 0)).map(({ path, place }) => ({ path, place }));
    return cycle([...chain, { path, place: undefined }]);
  }
}

export interface Explanation {
  readonly path: Path;
  readonly option: AnyOption | undefined;
  readonly value: unknown;
  readonly definitions: readonly ExplainedDefinition[];
}

/** Internal options are left out. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  const node = nodeOf(value);
  if (node === undefined)
    return isPlainObject(value) ? mapped(Object.keys(value), (name) => plain(value[name])) : value;
  const names = node.names().filter((name) => {
    const declared = node.declared(name);
    return !isOption(declared) || !declared.internal;
  });
  return mapped(names, (name) => plain(node.read(name)));
}

function plainObject(names: readonly string[], read: (name: string) => unknown): unknown {
  const object: Record<string, unknown> = {};
  for (const name of names) {
    // Assigning this one name would change the object's prototype.
    if (name === "__proto__") return mapped(names, read);
    object[name] = read(name);
  }
  return object;
}

function mapped(names: readonly string[], read: (name: string) => unknown): unknown {
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}
