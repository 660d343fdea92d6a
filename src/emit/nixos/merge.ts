/** Options that several parts of a host set, as one set. */
import type { NixSet, NixValue } from "../../scopes/on-nixos.ts";
import { isList, isSet } from "./nix.ts";

/** Sets are joined, lists go on; of two single values that differ, who comes later has the word. */
export function merged(...sets: readonly NixSet[]): NixSet {
  const result: Record<string, NixValue> = {};
  for (const set of sets) {
    for (const [name, value] of Object.entries(set)) {
      const before = result[name];
      result[name] = before === undefined ? value : both(before, value);
    }
  }
  return result;
}

function both(one: NixValue, other: NixValue): NixValue {
  if (isSet(one) && isSet(other)) return merged(one, other);
  if (isList(one) && isList(other)) return [...one, ...other.filter((item) => !one.includes(item))];
  return other;
}

/** Without what says nothing: empty sets, and lists that are empty. */
export function withoutEmpty(set: NixSet): NixSet {
  const kept = Object.entries(set).flatMap(([name, value]): [string, NixValue][] => {
    const inner = isSet(value) ? withoutEmpty(value) : value;
    const isEmpty = isSet(inner) ? Object.keys(inner).length === 0 : isList(inner) && inner.length === 0;
    return isEmpty ? [] : [[name, inner]];
  });
  return Object.fromEntries(kept);
}
