/**
 * The ids of the users and groups that Debian's packages make. A package's scripts take the next free number, which
 * depends on what else is installed; here each name gets one for good, which `nixfleet.lock` remembers.
 */

import { UserError } from "../../errors.ts";
import { fnv } from "../../fnv.ts";
import { idNames } from "./accounts.ts";

/** By name. */
export interface AccountIds {
  readonly users: Readonly<Record<string, number>>;
  readonly groups: Readonly<Record<string, number>>;
}

export const NO_IDS: AccountIds = { users: {}, groups: {} };

const KINDS = ["users", "groups"] as const;

/** Those in a tree that are handed out at installation: 100 to 999, as Debian's policy says in 9.2, but for `users`. */
export function allocatedIds(tree: string): AccountIds {
  const allocated = (file: "passwd" | "group") =>
    [...idNames(tree, file)]
      .filter(([id, name]) => id >= 100 && id <= 999 && !(id === 100 && file === "group" && name === "users"))
      .map(([id, name]) => [name, id] as const);
  return { users: sorted(allocated("passwd")), groups: sorted(allocated("group")) };
}

/** These ids of those names. */
export function idsOf(names: AccountIds, ids: AccountIds): AccountIds {
  const only = (kind: (typeof KINDS)[number]) =>
    sorted(Object.entries(ids[kind]).filter(([name]) => names[kind][name] !== undefined));
  return { users: only("users"), groups: only("groups") };
}

export function hasIdsOf(names: AccountIds, ids: AccountIds): boolean {
  return KINDS.every((kind) => Object.keys(names[kind]).every((name) => ids[kind][name] !== undefined));
}

/**
 * Gives an id to each of the names that has none. What has one keeps it, also when no package makes it any more: data
 * on a persist root may still belong to it. A user and a group of one name get the same.
 * @throws UserError when none is left
 */
export function withIdsOf(names: AccountIds, ids: AccountIds): AccountIds {
  const result = { users: { ...ids.users }, groups: { ...ids.groups } };
  const takenBy = new Map(KINDS.flatMap((kind) => Object.entries(ids[kind]).map(([name, id]) => [id, name] as const)));
  for (const name of [...new Set(KINDS.flatMap((kind) => Object.keys(names[kind])))].sort()) {
    for (const kind of KINDS) {
      if (names[kind][name] === undefined || result[kind][name] !== undefined) continue;
      const other = result[kind === "users" ? "groups" : "users"][name];
      const free = other !== undefined && !Object.values(result[kind]).includes(other);
      const id = free ? other : freeId(name, takenBy);
      result[kind][name] = id;
      takenBy.set(id, name);
    }
  }
  return { users: sorted(Object.entries(result.users)), groups: sorted(Object.entries(result.groups)) };
}

/** Below those of declared services (src/plan/users.ts), above those that Debian assigns to names for good. */
const [FIRST, LAST] = [101, 399];

/** From a place that follows from the name, so that a fleet whose lock is lost gets most of its ids again. */
function freeId(name: string, takenBy: ReadonlyMap<number, string>): number {
  const count = LAST - FIRST + 1;
  const start = fnv(name) % count;
  for (let step = 0; step < count; step++) {
    const id = FIRST + ((start + step) % count);
    if (!takenBy.has(id)) return id;
  }
  throw new UserError(`no id from ${FIRST} to ${LAST} is free for ${name}`, [
    "remove accounts from `ids` in nixfleet.lock that no longer own anything on any host",
  ]);
}

function sorted(ids: readonly (readonly [string, number])[]): Record<string, number> {
  return Object.fromEntries([...ids].sort(([a], [b]) => (a < b ? -1 : 1)));
}
