/** Places in a configuration. */
import type { MergePoint, OptionTree, OptionType } from "./option.ts";
import type { Path } from "./path.ts";
import type { Pending, Resolved } from "./pending.ts";
import { resolveAll, strongest, whole } from "./resolve.ts";
import type { Written } from "./written.ts";

/** The evaluation that a point is of. */
export interface Evaluating {
  readonly config: unknown;
  /** The options whose values are being computed, each read by the one before it. */
  readonly running: Point[];
  /** Whether errors are kept, in the place of the first being thrown. */
  readonly collecting: boolean;
  /** Whether an error was kept among the problems; otherwise it is for the caller to throw. */
  collects(error: unknown): boolean;
  /** The error for an option that is read while it is being computed. */
  cycleAt(path: Path): Error;
  /** A set of options at a point. */
  set(at: Point, tree: OptionTree, freeform: AnyType | undefined, definitions: readonly Pending[]): unknown;
}

type AnyType = OptionType<unknown, unknown>;

/** A place in the configuration. Its path is put together only when an error needs it. */
export class Point implements MergePoint {
  readonly evaluation: Evaluating;
  readonly #above: Point | undefined;
  readonly name: string;
  /** Of the first definition of an option whose value is being computed. */
  place: Written | undefined;

  constructor(evaluation: Evaluating, above: Point | undefined, name: string) {
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
    definitions: readonly Pending[],
  ): { readonly value: V } | undefined {
    const inside = this.inside(key);
    try {
      const resolved = resolveAll(definitions, inside, this.evaluation.config);
      return resolved.length === 0 ? undefined : { value: type.merge(strongest(resolved), inside) };
    } catch (error) {
      if (!this.evaluation.collects(error)) throw error;
      return undefined;
    }
  }

  submodule(tree: OptionTree, freeform: AnyType | undefined, definitions: readonly Resolved[]): unknown {
    return this.evaluation.set(this, tree, freeform, definitions.map(whole));
  }
}
