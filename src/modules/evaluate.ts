/**
 * From modules to the final configuration. Each option's value is computed once, when it is first read; what it reads
 * in turn is computed then. There is one pass and no iteration: a value that needs itself is an error.
 */
import { isPlainObject } from "./definition.ts";
import { cycle, undeclared } from "./errors.ts";
import { type AnyOption, isOption, type OptionTree, type Path } from "./option.ts";
import { Point } from "./point.ts";
import type { Pending } from "./resolve.ts";
import { type ExplainedDefinition, nodeOf, SetNode } from "./set-node.ts";

/** One evaluation: its configuration, and how each value came about. */
export class Evaluation {
  readonly #root: SetNode;
  /** The options whose values are being computed, each read by the one before it. */
  readonly running: Point[] = [];

  constructor(options: OptionTree, definitions: readonly Pending[]) {
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
    force(this.#root.proxy);
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

  /** The error for an option that is read while it is being computed. */
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

function mapped(names: readonly string[], read: (name: string) => unknown): unknown {
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

function force(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const node = nodeOf(value);
  if (node !== undefined) for (const name of node.names()) force(node.read(name));
  else if (Array.isArray(value) || isPlainObject(value)) for (const inner of Object.values(value)) force(inner);
}
