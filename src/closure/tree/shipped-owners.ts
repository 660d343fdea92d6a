/** Whose entries are, and folders above them, where a host's packages ship something there. */

import { lstatSync, type Stats } from "node:fs";
import { join } from "node:path";
import { problemLines, UserError } from "../../errors.ts";
import { isBelow } from "../../paths.ts";
import type { FilePlan } from "../../plan/file-plan.ts";
import { type AssumedOwner, isMoreOpen, type Owned, unsafeWays } from "../../plan/owners.ts";
import { isClosed } from "../../plan/parents.ts";
import type { PersistenceEntry, PersistenceParent, PersistencePlan } from "../../plan/persistence-plan.ts";
import { idNames, primaryGroupsOf } from "../lock/accounts.ts";
import { shippedAt } from "./shipped-at.ts";

/**
 * What nobody declares of the owner and mode of an entry, or of a folder above one, is as the packages ship it there.
 * @throws UserError where an entry cannot take the place of what the root has there, or would hide a declared file; where
 *   an owner is none that the host has; where a folder above an entry would be open to more than it is as shipped
 */
export function withShippedOwners(plan: PersistencePlan, root: string, files: readonly FilePlan[]): PersistencePlan {
  const accounts = accountsOf(root);
  const entries = plan.entries.map((entry) => {
    const stats = shippedAt(entry, root, files);
    return accounts.known(stats === null ? entry : withShipped(entry, accounts.ownerOf(stats)), entry);
  });
  const parents = plan.parents.map((parent) => {
    const declarer = entries.find(({ path }) => isBelow(path, parent.path));
    const stats = lstatSync(join(root, parent.path), { throwIfNoEntry: false });
    if (!stats?.isDirectory()) return accounts.known(parent, declarer);
    const shipped = accounts.ownerOf(stats);
    refuseMoreOpen(parent, shipped, declarer);
    const closed = parent.assumed.includes("mode") && isClosed(shipped.mode);
    return { ...accounts.known(withShipped(parent, shipped), declarer), assumed: parent.assumed, closed };
  });
  const owners = new Map([...parents, ...entries].map((one) => [one.path, one]));
  const unsafe = unsafeWays(entries, (path) => owners.get(path) ?? ROOT);
  if (unsafe.length > 0)
    throw new UserError(
      "some entries cannot be persisted, because the host's packages own folders there",
      unsafe.flatMap(problemLines),
    );
  return { ...plan, entries, parents };
}

const ROOT: Owned = { user: "root", group: "root", mode: "0755" };

/** A user who is declared has his own group, and else what is shipped counts. */
function withShipped<T extends AssumedOwner>(one: T, shipped: Owned): T {
  const shippedUser = one.assumed.includes("user");
  return {
    ...one,
    user: shippedUser ? shipped.user : one.user,
    group: shippedUser && one.assumed.includes("group") ? shipped.group : one.group,
    mode: one.assumed.includes("mode") ? shipped.mode : one.mode,
    assumed: shippedUser ? [] : one.assumed.filter((field) => field === "group"),
  };
}

function refuseMoreOpen(parent: PersistenceParent, shipped: Owned, entry: PersistenceEntry | undefined): void {
  if (!isMoreOpen(parent.mode, shipped.mode) || parent.assumed.includes("mode")) return;
  throw new UserError(
    `the packages ship ${parent.path} with mode ${shipped.mode}, but it would be ${parent.mode} on the persist root`,
    [...declaredAt(entry), "remove `mode` from `parent` to keep the shipped mode"],
  );
}

function declaredAt(entry: PersistenceEntry | undefined): string[] {
  return entry === undefined ? [] : [`declared at ${entry.declaredAt.join(", ")}`];
}

/** The accounts of a root. */
export interface Accounts {
  /** By name, as every line of tmpfiles.d(5) has them here; by number where the root has no name. */
  readonly ownerOf: (stats: Stats) => Owned;
  /** With the primary group of a user for whom nobody declares another. @throws UserError for who is not there */
  readonly known: <T extends AssumedOwner & { readonly path: string }>(
    one: T,
    entry: PersistenceEntry | undefined,
  ) => T;
}

export function accountsOf(root: string): Accounts {
  const [users, groups] = [idNames(root, "passwd"), idNames(root, "group")];
  const primaryGroups = primaryGroupsOf(root);
  const [userNames, groupNames] = [new Set(primaryGroups.keys()), new Set(groups.values())];
  return {
    ownerOf: (stats) => ({
      user: users.get(stats.uid) ?? String(stats.uid),
      group: groups.get(stats.gid) ?? String(stats.gid),
      mode: (stats.mode & 0o7777).toString(8).padStart(4, "0"),
    }),
    known: (one, entry) => {
      const gid = primaryGroups.get(users.get(Number(one.user)) ?? one.user);
      const own = one.assumed.includes("group") && gid !== undefined ? (groups.get(gid) ?? String(gid)) : one.group;
      const missing = [
        ...(userNames.has(one.user) || isId(one.user) ? [] : [`user ${one.user}`]),
        ...(groupNames.has(own) || isId(own) ? [] : [`group ${own}`]),
      ];
      if (missing.length === 0) return { ...one, group: own };
      throw new UserError(`${one.path} cannot be persisted: the host has no ${missing.join(" and no ")}`, [
        ...declaredAt(entry),
        "declare it in users.users or users.groups, or add the package that creates it to environment.systemPackages",
      ]);
    },
  };
}

function isId(owner: string): boolean {
  return /^\d+$/.test(owner);
}
