/** From what a module wrote to the definitions that count: conditions, priorities and orders are taken off the value. */
import {
  type AnyProperty,
  type Condition,
  IF,
  isProperty,
  kindOf,
  MERGE,
  NORMAL_ORDER,
  ORDER,
  OVERRIDE,
  PRIORITY,
} from "./definition.ts";
import { conditionNotBoolean, dotted, misplaced, threw } from "./errors.ts";
import type { Path } from "./option.ts";
import { OPTION } from "./option.ts";
import type { Place } from "./place.ts";

/** What is being resolved; its path is asked for only by errors. */
interface Located {
  readonly path: Path;
}

/** A value as written, on its way down to the option that it defines. */
export interface Pending {
  readonly value: unknown;
  /** All must hold for the definition to count. */
  readonly guards: readonly Guard[];
  readonly priority: number;
  readonly order: number;
  readonly place: Place;
}

/** A definition that counts, its value free of properties at the top. */
export interface Resolved {
  readonly value: unknown;
  readonly priority: number;
  readonly order: number;
  readonly place: Place;
}

/** A condition that is looked at once at the most, however many options stand below it. */
export class Guard {
  readonly #condition: Condition<never>;
  readonly #place: Place;
  #holds: boolean | undefined;

  constructor(condition: Condition<never>, place: Place) {
    this.#condition = condition;
    this.#place = place;
  }

  holds(config: unknown): boolean {
    if (this.#holds === undefined) {
      const condition = this.#condition;
      const value: unknown =
        typeof condition === "function"
          ? callUser(
              () => "the condition of mkIf",
              this.#place,
              () => condition(config as never),
            )
          : condition;
      if (typeof value !== "boolean") throw conditionNotBoolean(value, this.#place);
      this.#holds = value;
    }
    return this.#holds;
  }
}

export function pendingOf(value: unknown, place: Place): Pending {
  return { value, guards: [], priority: PRIORITY.normal, order: NORMAL_ORDER, place };
}

/** Takes one definition apart as far as its shape is needed; conditions become guards and are not looked at. */
export function unwrap(pending: Pending, at: Located, config: unknown): Pending[] {
  const { value } = pending;
  if (typeof value === "function") {
    // What a function would return is unknown, so whether it counts has to be known before it is called.
    if (!counts(pending, config)) return [];
    const called: unknown = callUser(
      () => `the value of ${dotted(at.path) || "the configuration"}`,
      pending.place,
      () => value(config),
    );
    return unwrap({ ...pending, value: called }, at, config);
  }
  if (isProperty(value)) return without(value, pending).flatMap((inner) => unwrap(inner, at, config));
  const kind = kindOf(value);
  if (kind !== undefined) throw misplaced(at.path, kind === OPTION ? "an option" : "a module", pending.place);
  return value === undefined ? [] : [pending];
}

/** The definitions that count, their values free of properties at the top. */
export function resolveAll(pendings: readonly Pending[], at: Located, config: unknown): Resolved[] {
  const resolved: Resolved[] = [];
  for (const pending of pendings) {
    for (const inner of unwrap(pending, at, config)) if (counts(inner, config)) resolved.push(inner);
  }
  return resolved;
}

/** Those with the lowest priority number, in their order; equal orders stay as they were. */
export function strongest(resolved: readonly Resolved[]): readonly Resolved[] {
  if (resolved.length < 2) return resolved;
  const priority = Math.min(...resolved.map((definition) => definition.priority));
  return resolved.filter((definition) => definition.priority === priority).sort((a, b) => a.order - b.order);
}

export function counts(pending: Pending, config: unknown): boolean {
  return pending.guards.every((guard) => guard.holds(config));
}

function without(property: AnyProperty, pending: Pending): Pending[] {
  const place = property.place;
  switch (property.kind) {
    case IF:
      return [
        {
          ...pending,
          value: property.content,
          guards: [...pending.guards, new Guard(property.condition, place)],
          place,
        },
      ];
    case MERGE:
      return property.contents.map((value) => ({ ...pending, value, place }));
    case OVERRIDE:
      return [{ ...pending, value: property.content, priority: property.priority, place }];
    case ORDER:
      return [{ ...pending, value: property.content, order: property.order, place }];
  }
}

/** Calls a function of the user's; what it throws is told with the place where it was written. */
export function callUser<T>(what: () => string, place: Place, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw threw(what(), place, error);
  }
}
