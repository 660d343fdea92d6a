/** Definitions on their way to a value. */
import type { Place } from "./place.ts";

/** A condition. */
export interface Guard {
  holds(config: unknown): boolean;
}

/** A value as written, on its way down to the option that it defines. */
export interface Pending {
  readonly value: unknown;
  readonly priority: number;
  readonly order: number;
  /** The call that it was written in. */
  readonly place: Place;
  /** The value that holds it, and the name or index there; `null` if the place itself leads to it. */
  readonly above: Pending | null;
  readonly key: string | number;
  /** All must hold for the definition to count. */
  readonly guards: readonly Guard[];
}

/** A definition that counts, its value free of properties at the top. */
export type Resolved = Pending;
