/** Adds the declared users and groups to the account files that the Debian packages made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ProblemsError, UserError } from "../../errors.ts";
import { nearestName } from "../../modules/errors.ts";
import type { PlanProblem } from "../../plan/problem.ts";
import type { GroupPlan, UserPlan, UsersPlan } from "../../plan/users.ts";

/** The texts of `/etc/passwd`, `group`, `shadow` and `gshadow`: passwd(5), group(5), shadow(5), gshadow(5). */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  readonly gshadow: string;
}

/**
 * A declared user replaces the packages' user of that name and id; a declared group gains its members. Passwords are
 * never in a closure: a declared user has `*`, with which no password logs in, until activation puts the hash there.
 * @throws UserError when an id or name is taken by another, or a group or member does not exist
 */
export function withDeclaredAccounts(files: AccountFiles, plan: UsersPlan): AccountFiles {
  const groups = addGroups(parse(files.group), plan.groups);
  const users = addUsers(parse(files.passwd), plan.users, groups);
  refuseUnknownMembers(plan.groups, users);
  const declared = new Set(plan.users.map((user) => user.name));
  const shadow = parse(files.shadow).filter(([name]) => !declared.has(name ?? ""));
  const gshadow = new Map(parse(files.gshadow).map((row) => [row[0], row]));
  return {
    passwd: format(users),
    group: format(groups),
    shadow: format([...shadow, ...plan.users.map((user) => [user.name, "*", "", "0", "99999", "7", "", "", ""])]),
    gshadow: format(
      groups.map(([name = "", , , members = ""]) => [
        name,
        gshadow.get(name)?.[1] ?? "*",
        gshadow.get(name)?.[2] ?? "",
        members,
      ]),
    ),
  };
}

/** The names in a root's `/etc/passwd` or `/etc/group`, by id; of several with one id the first. */
export function idNames(root: string, file: "passwd" | "group"): Map<number, string> {
  const rows = parse(readFileSync(join(root, "etc", file), "utf8"));
  return new Map(rows.toReversed().map(([name = "", , id]) => [Number(id), name]));
}

/** The gid of each user in a root's `/etc/passwd`, by name. */
export function primaryGroupsOf(root: string): Map<string, number> {
  const rows = parse(readFileSync(join(root, "etc/passwd"), "utf8"));
  return new Map(rows.map(([name = "", , , gid]) => [name, Number(gid)]));
}

/** Fields of a line. */
type Row = readonly string[];

function addGroups(rows: readonly Row[], declared: readonly GroupPlan[]): Row[] {
  const result = new Map(rows.map((row) => [row[0] ?? "", row]));
  for (const group of declared) {
    refuseUnsafe(group.name, "group", [group.name, ...group.members]);
    const existing = result.get(group.name);
    if (group.gid === null) {
      if (existing === undefined) {
        throw new ProblemsError([unknownGroup(group, [...result.keys()])]);
      }
    } else refuseTakenId("group", group.name, group.gid, existing, [...result.values()]);
    const members = new Set([...(existing?.[3] ?? "").split(","), ...group.members].filter((name) => name !== ""));
    const gid = existing?.[2] ?? String(group.gid);
    result.set(group.name, [group.name, existing?.[1] ?? "x", gid, [...members].join(",")]);
  }
  return [...result.values()];
}

function unknownGroup({ name, members: [member] }: GroupPlan, known: readonly string[]): PlanProblem {
  const nearest = nearestName(name, known);
  const guess = nearest === undefined ? "" : `did you mean ${nearest}? Otherwise `;
  return {
    what: `no Debian package of this host creates the group ${name}`,
    at: [],
    fix: `${guess}add the package that creates it, or declare users.groups.${name}`,
    ...(member === undefined ? {} : { option: ["users", "users", member, "extraGroups", { element: name }] }),
  };
}

function addUsers(rows: readonly Row[], declared: readonly UserPlan[], groups: readonly Row[]): Row[] {
  const result = new Map(rows.map((row) => [row[0] ?? "", row]));
  for (const user of declared) {
    refuseUnsafe(user.name, "user", [user.name, user.description, user.home, user.shell]);
    refuseTakenId("user", user.name, user.uid, result.get(user.name), [...result.values()]);
    const gid = groups.find(([name]) => name === user.group)?.[2];
    if (gid === undefined) {
      throw new UserError(`the user ${user.name} has the primary group ${user.group}, which does not exist`, [
        `declare users.groups.${user.group}, or set users.users.${user.name}.group to one that does`,
      ]);
    }
    result.set(user.name, [user.name, "x", String(user.uid), gid, user.description, user.home, user.shell]);
  }
  return [...result.values()];
}

function refuseTakenId(what: string, name: string, id: number, existing: Row | undefined, all: readonly Row[]): void {
  const option = `users.${what}s.${name}.${what === "user" ? "uid" : "gid"}`;
  if (existing !== undefined && existing[2] !== String(id)) {
    throw new UserError(`the ${what} ${name} has the id ${existing[2]} from a Debian package, not ${id}`, [
      `set ${option} to ${existing[2]}, or declare another name`,
    ]);
  }
  const owner = all.find((row) => row[2] === String(id) && row[0] !== name);
  if (owner === undefined) return;
  throw new UserError(`the id ${id} of the ${what} ${name} already belongs to the ${what} ${owner[0]}`, [
    `set ${option} to a free id; Debian's packages take those below 1000`,
  ]);
}

function refuseUnknownMembers(groups: readonly GroupPlan[], users: readonly Row[]): void {
  const names = new Set(users.map(([name]) => name));
  for (const group of groups) {
    const unknown = group.members.find((member) => !names.has(member));
    if (unknown === undefined) continue;
    throw new UserError(`the group ${group.name} has the member ${unknown}, a user that does not exist`, [
      `declare users.users.${unknown}, or remove it from users.groups.${group.name}.members`,
    ]);
  }
}

function refuseUnsafe(name: string, what: string, fields: readonly string[]): void {
  const bad = fields.find((field) => /[:\n]/.test(field));
  if (bad === undefined) return;
  throw new UserError(`the ${what} ${JSON.stringify(name)} has ${JSON.stringify(bad)} in a field`, [
    "account files have one line per account and `:` between fields: remove newlines and `:`",
  ]);
}

function parse(text: string): Row[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => line.split(":"));
}

function format(rows: readonly Row[]): string {
  return rows.map((row) => `${row.join(":")}\n`).join("");
}
