/** The users and groups that a declaration adds to those of the Debian packages. */
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";

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

/** @throws UserError where two accounts would have one id */
export function usersPlan(config: SystemConfig): UsersPlan {
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
  refuseSharedIds(
    "user",
    users.map(({ name, uid }) => ({ name, id: uid })),
  );
  refuseSharedIds(
    "group",
    groups.flatMap(({ name, gid }) => (gid === null ? [] : [{ name, id: gid }])),
  );
  return { users: users.sort(byName), groups: groups.sort(byName) };
}

/**
 * A number that follows from the name alone, so that no id shifts when another account comes or goes: 30000 to 59999
 * for people, 400 to 899 for services, away from those that Debian hands out (100 and up, 999 and down, 1000 and up).
 */
function idFrom(name: string, person: boolean): number {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return person ? 30000 + (hash % 30000) : 400 + (hash % 500);
}

function refuseSharedIds(
  what: "user" | "group",
  accounts: readonly { readonly name: string; readonly id: number }[],
): void {
  for (const [id, same] of Map.groupBy(accounts, (account) => account.id)) {
    const [first, second] = same;
    if (first === undefined || second === undefined) continue;
    throw new UserError(`the ${what}s ${first.name} and ${second.name} have the same id ${id}`, [
      `give one of them another: users.${what}s.${second.name}.${what === "user" ? "uid" : "gid"} = …`,
    ]);
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
