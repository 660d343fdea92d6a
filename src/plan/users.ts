/** The users and groups that a declaration adds to those of the Debian packages. */
import { fnv } from "../fnv.ts";
import type { SystemConfig } from "../system/options.ts";
import type { PlanProblem } from "./problem.ts";

export interface UsersPlan {
  /** Sorted by name. */
  readonly users: readonly UserPlan[];
  /** Sorted by name. */
  readonly groups: readonly GroupPlan[];
}

export interface UserPlan {
  readonly name: string;
  readonly uid: number;
  /** The primary group's name. */
  readonly group: string;
  readonly description: string;
  readonly home: string;
  /** Whether the pristine root holds the home, made from `/etc/skel`. */
  readonly createHome: boolean;
  readonly shell: string;
  /** A file on the persist root whose first line is a crypt(3) hash; `null`: no password can log in. */
  readonly hashedPasswordFile: string | null;
}

export interface GroupPlan {
  readonly name: string;
  /** `null`: the group comes with a Debian package and only gains members. */
  readonly gid: number | null;
  readonly members: readonly string[];
}

/** Problems are ids that two accounts would have, or that no declaration may use. */
export function usersPlan(config: SystemConfig, problems: PlanProblem[]): UsersPlan {
  const { userName } = config.hostSpec;
  const declared = Object.values(config.users.users);
  const users = declared.map((user) => ({
    name: user.name,
    uid:
      user.name === "root" ? 0 : (user.uid ?? (user.name === userName ? 1000 : idFrom(user.name, user.isNormalUser))),
    group: user.name === "root" ? "root" : user.group,
    description: user.description,
    home: user.name === "root" ? "/root" : user.home,
    createHome: user.isNormalUser && user.name !== "root",
    shell: user.name === "root" && !user.isNormalUser ? "/bin/bash" : user.shell,
    hashedPasswordFile: user.hashedPasswordFile,
  }));
  const members = new Map<string, Set<string>>();
  const join = (group: string, names: readonly string[]) => {
    const known = members.get(group) ?? new Set();
    members.set(group, known.union(new Set(names)));
  };
  for (const [name, group] of Object.entries(config.users.groups)) join(name, group.members);
  for (const user of declared) for (const group of user.extraGroups) join(group, [user.name]);
  for (const user of users) if (user.group === user.name && user.name !== "root") join(user.group, []);
  const groups = [...members].map(([name, names]) => ({
    name,
    gid:
      config.users.groups[name] === undefined
        ? (users.find((user) => user.name === name)?.uid ?? null)
        : (config.users.groups[name].gid ?? idFrom(name, false)),
    members: [...names].sort(),
  }));
  problems.push(
    ...idProblems(
      "user",
      users.map(({ name, uid }) => ({ name, id: uid, follows: false })),
    ),
    ...idProblems(
      "group",
      groups.flatMap(({ name, gid }) =>
        gid === null ? [] : [{ name, id: gid, follows: config.users.groups[name] === undefined }],
      ),
    ),
  );
  return { users: users.sort(byName), groups: groups.sort(byName) };
}

/**
 * A number that follows from the name alone, so that no id shifts when another account comes or goes: 30000 to 59999
 * for people, 400 to 899 for services, away from those that Debian hands out (100 and up, 999 and down, 1000 and up).
 */
function idFrom(name: string, person: boolean): number {
  const hash = fnv(name);
  return person ? 30000 + (hash % 30000) : 400 + (hash % 500);
}

/** Ids that no declaration may use, and why: https://systemd.io/UIDS-GIDS. */
const RESERVED: readonly (readonly [first: number, last: number, whose: string])[] = [
  [61184, 65519, "since systemd gives them to services with DynamicUser="],
  [65534, 65535, "since the first is nobody's, and the second no id to programs that have 16 bits for one"],
];

interface Account {
  readonly name: string;
  readonly id: number;
  /** Whether it is a group with the id of its user, whose problems cover it. */
  readonly follows: boolean;
}

function idProblems(what: "user" | "group", accounts: readonly Account[]): PlanProblem[] {
  const option = what === "user" ? "uid" : "gid";
  const another = (name: string) => `give it another: users.${what}s.${name}.${option} = …`;
  const reserved = accounts.flatMap(({ name, id, follows }): PlanProblem[] => {
    const range = RESERVED.find(([first, last]) => id >= first && id <= last);
    if (range === undefined || follows) return [];
    const [first, last, whose] = range;
    return [
      {
        what: `the ${what} ${name} cannot have the id ${id}: ${first} to ${last} are taken, ${whose}`,
        at: [],
        fix: another(name),
        option: ["users", `${what}s`, name, option],
      },
    ];
  });
  const shared = [...Map.groupBy(accounts, ({ id }) => id)].flatMap(([id, [first, ...others]]): PlanProblem[] =>
    others
      .filter((other) => !(first?.follows && other.follows))
      .map((other) => ({
        what: `the ${what}s ${first?.name} and ${other.name} have the same id ${id}`,
        at: [],
        fix: another(other.name),
        option: ["users", `${what}s`, other.name],
      })),
  );
  return [...reserved, ...shared];
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
