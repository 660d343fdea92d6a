/** Places in a configuration. */
import { PRIORITY } from "./definition.ts";
import type { Evaluation } from "./evaluate.ts";
import type { MergePoint, OptionTree, OptionType, Path } from "./option.ts";
import type { Place } from "./place.ts";
import { type Pending, type Resolved, resolveAll, strongest } from "./resolve.ts";
import { SetNode } from "./set-node.ts";

/** A place in the configuration. Its path is put together only when an error needs it. */
export class Point implements MergePoint {
  readonly evaluation: Evaluation;
  readonly #above: Point | undefined;
  readonly name: string;
  /** Of the first definition of an option whose value is being computed. */
  place: Place | undefined;

  constructor(evaluation: Evaluation, above: Point | undefined, name: string) {
    this.evaluation = evaluation;
    this.#above = above;
    this.name = name;
  }

  inside(name: string): Point {
    return new Point(this.evaluation, this, name);
  }

  get isRoot(): boolean {
    return this.#above === undefined;
  }

  get path(): Path {
    return this.#above === undefined ? [] : [...this.#above.path, this.name];
  }

  merge<V>(
    type: OptionType<V, unknown>,
    key: string,
    definitions: readonly Resolved[],
  ): { readonly value: V } | undefined {
    const inside = this.inside(key);
    const resolved = resolveAll(definitions.map(asPending), inside, this.evaluation.config);
    return resolved.length === 0 ? undefined : { value: type.merge(strongest(resolved), inside) };
  }

  submodule(
    tree: OptionTree,
    freeform: OptionType<unknown, unknown> | undefined,
    definitions: readonly Resolved[],
  ): unknown {
    return new SetNode(this, tree, freeform, definitions.map(asPending)).proxy;
  }
}

/** What is inside a value has priorities of its own. */
function asPending({ value, order, place }: Resolved): Pending {
  return { value, guards: [], priority: PRIORITY.normal, order, place };
}
