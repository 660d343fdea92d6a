/** From what a module says to the definitions that count: takes conditions, priorities and orders off the values. */
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
import { conditionNotBoolean, misplaced, threw } from "./errors.ts";
import { OPTION } from "./option.ts";
import { dotted, type Path } from "./path.ts";
import type { Guard, Pending, Resolved } from "./pending.ts";
import type { Place } from "./place.ts";
import type { Written } from "./written.ts";

/** What is being resolved; only errors need its path. */
interface Located {
  readonly path: Path;
}

/** The definition of an option in a set, with everything that holds for the set. */
export function member(pending: Pending, key: string | number, value: unknown): Pending {
  const { guards, priority, order, place } = pending;
  return { value, priority, order, place, above: pending, key, guards };
}

/** Something inside a value, which has its own priority. */
export function element(definition: Resolved, key: string | number, value: unknown): Pending {
  const { order, place } = definition;
  return { value, priority: PRIORITY.normal, order, place, above: definition, key, guards: NO_GUARDS };
}

/** The value itself, as the start of a set with priorities of its own. */
export function whole(definition: Resolved): Pending {
  const { value, priority, order, place, above, key, guards } = definition;
  if (priority === PRIORITY.normal && guards.length === 0) return definition;
  return { value, priority: PRIORITY.normal, order, place, above, key, guards: NO_GUARDS };
}

const NO_GUARDS: readonly Guard[] = [];

/** Looked at once at most, however many options stand below it. */
class OnceAsked implements Guard {
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
              this.#place.whole,
              () => condition(config as never),
            )
          : condition;
      if (typeof value !== "boolean") throw conditionNotBoolean(value, this.#place.whole);
      this.#holds = value;
    }
    return this.#holds;
  }
}

export function pendingOf(value: unknown, place: Place): Pending {
  const [priority, order] = [PRIORITY.normal, NORMAL_ORDER];
  return { value, priority, order, place, above: null, key: "", guards: NO_GUARDS };
}

/** Takes one definition apart as far as its shape is needed; conditions become guards and are not looked at. */
export function unwrap(pending: Pending, at: Located, config: unknown): readonly Pending[] {
  if (isResolved(pending)) return [pending];
  const found: Pending[] = [];
  unwrapInto(found, pending, at, config);
  return found;
}

function unwrapInto(found: Pending[], pending: Pending, at: Located, config: unknown): void {
  const { value } = pending;
  if (typeof value === "function") {
    // The result of a function is unknown, so its conditions are looked at before it is called.
    if (!counts(pending, config)) return;
    const called: unknown = callUser(
      () => `the value of ${dotted(at.path) || "the configuration"}`,
      pending,
      () => value(config),
    );
    unwrapInto(found, { ...pending, value: called }, at, config);
  } else if (typeof value !== "object" || value === null) {
    if (value !== undefined) found.push(pending);
  } else if (isProperty(value)) {
    unwrapProperty(found, value, pending, at, config);
  } else {
    const kind = kindOf(value);
    if (kind !== undefined) throw misplaced(at.path, kind === OPTION ? "an option" : "a module", pending);
    found.push(pending);
  }
}

/** The definitions that count, their values free of properties at the top. */
export function resolveAll(pendings: readonly Pending[], at: Located, config: unknown): readonly Resolved[] {
  if (pendings.every(isResolved)) return pendings;
  const found: Pending[] = [];
  for (const pending of pendings) unwrapInto(found, pending, at, config);
  return found.every(isUnguarded) ? found : found.filter((pending) => counts(pending, config));
}

/** Whether nothing is to be taken off, as of most. */
function isResolved({ value, guards }: Pending): boolean {
  if (guards.length > 0 || value === undefined || typeof value === "function") return false;
  return kindOf(value) === undefined;
}

function isUnguarded({ guards }: Pending): boolean {
  return guards.length === 0;
}

/** Those with the lowest priority number, in their order; equal orders stay as they were. */
export function strongest(resolved: readonly Resolved[]): readonly Resolved[] {
  if (resolved.length < 2) return resolved;
  const priority = resolved.reduce((least, definition) => Math.min(least, definition.priority), Infinity);
  const strong = resolved.filter((definition) => definition.priority === priority);
  return strong.every(({ order }) => order === strong[0]?.order) ? strong : strong.sort((a, b) => a.order - b.order);
}

export function counts(pending: Pending, config: unknown): boolean {
  return pending.guards.every((guard) => guard.holds(config));
}

function unwrapProperty(found: Pending[], property: AnyProperty, pending: Pending, at: Located, config: unknown): void {
  const { guards, priority, order } = pending;
  const { place } = property;
  const said = { priority, order, place, above: null, key: "", guards };
  switch (property.kind) {
    case IF: {
      const value = property.content;
      unwrapInto(found, { ...said, value, guards: [...guards, new OnceAsked(property.condition, place)] }, at, config);
      return;
    }
    case MERGE: {
      const above = { ...said, value: property.contents };
      for (const [key, value] of property.contents.entries()) {
        unwrapInto(found, { ...said, value, above, key }, at, config);
      }
      return;
    }
    case OVERRIDE:
      unwrapInto(found, { ...said, value: property.content, priority: property.priority }, at, config);
      return;
    case ORDER:
      unwrapInto(found, { ...said, value: property.content, order: property.order }, at, config);
  }
}

/** Calls a function from the fleet; an error names the place where it is written. */
export function callUser<T>(what: () => string, written: Written, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw threw(what(), written, error);
  }
}
