/** The line that says something, where the place of the call around it does not say enough. */

import type { Resolved } from "./pending.ts";
import { type Call, Place, type Steps } from "./place.ts";

/** Something in a source file: a definition, or a call. */
export type Written = Place | Resolved;

/** Finds something in the arguments of a call. Runs only for errors. */
export type Finder = (
  call: Call,
  steps: Steps,
  value: unknown,
) => { readonly file: string; readonly line: number } | null;

let finder: Finder | null = null;

/** Called by rooms that may read files. */
export function findWrittenWith(find: Finder): void {
  finder = find;
}

/** `/home/alice/fleet/hardware.ts:13`: where it is written, or, where that is not certain, the call that it is in. */
export function writtenAt(written: Written): string {
  const place = written instanceof Place ? written : written.place;
  const steps = stepsTo(written);
  const { call } = place;
  if (finder === null || steps === null || call === null) return place.text;
  const found = finder(call, steps, written instanceof Place ? undefined : written.value);
  return found === null ? place.text : `${found.file}:${found.line}`;
}

function stepsTo(written: Written): Steps | null {
  if (written instanceof Place) return written.steps;
  const keys: (string | number)[] = [];
  for (let one = written; one.above !== null; one = one.above) keys.unshift(one.key);
  return written.place.steps === null ? null : [...written.place.steps, ...keys];
}
