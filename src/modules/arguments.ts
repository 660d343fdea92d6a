/** Arguments that the compiler would refuse, for callers who did not run it. */

import { UserError } from "../errors.ts";
import { isPlainObject } from "./definition.ts";
import { shown } from "./errors.ts";
import type { OptionTree, OptionType } from "./option.ts";
import { callerOf } from "./place.ts";

type Function = (...args: never[]) => unknown;

/** @throws UserError, with where `callee` was called, for anything but a plain object */
export function requireObject(value: unknown, what: string, callee: Function): void {
  if (!isPlainObject(value)) throw badArgument(`${what} wants an object`, value, callee, "write it as { … }");
}

/** @throws UserError, with where `callee` was called, for anything but an option type */
export function requireType(value: OptionType<unknown, unknown>, what: string, callee: Function): void {
  if (typeof value === "object" && value !== null && typeof value.merge === "function") return;
  throw badArgument(`${what} wants a type`, value, callee, "use one of `types`, such as types.str");
}

/** @throws UserError, with where `callee` was called, for anything that cannot hold options */
export function requireTree(value: OptionTree, what: string, callee: Function): void {
  if (!isPlainObject(value) || "kind" in value) {
    throw badArgument(`${what} wants options`, value, callee, "write them as { name: mkOption({ … }) }");
  }
}

/** @throws UserError, with where `callee` was called, for anything but a list of strings */
export function requireStrings(value: readonly string[], what: string, callee: Function): void {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return;
  throw badArgument(`${what} wants a list of strings`, value, callee, 'write it as ["one", "other"]');
}

/** @throws UserError, with where `callee` was called, for anything but a text */
export function requireText(value: string, what: string, callee: Function): void {
  if (typeof value !== "string") throw badArgument(`${what} wants a text`, value, callee, 'write it as "…"');
}

function badArgument(wanted: string, value: unknown, callee: Function, fix: string): UserError {
  return new UserError(`${wanted}, got ${shown(value)}`, [`at ${callerOf(callee).text}`, fix]);
}
