/** Users and groups. */
import type { Config } from "../../fleet/options.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { UserPlan } from "../../plan/users.ts";
import { type NixSet, type NixValue, nixPackage } from "../../scopes/on-nixos.ts";
import type { Part } from "./part.ts";

/** Which of Debian's names NixOS has. */
export interface Accounts {
  /** What a group is called; `null`: there is none. */
  readonly group: (name: string) => string | null;
  /** The name of a user or a group, where nobody has it. */
  readonly missingUser: (name: string) => string | null;
  readonly missingGroup: (name: string) => string | null;
}

/** @param renamed what scopes say of groups */
export function accountsOf({ users }: HostPlan, renamed: Readonly<Record<string, string | null>>): Accounts {
  const declared = new Set(users.groups.filter(({ gid }) => gid !== null).map(({ name }) => name));
  const known = new Set([...BASE_GROUPS, ...declared, ...Object.values(renamed)]);
  const people = new Set(["root", "nobody", ...users.users.map(({ name }) => name)]);
  return {
    group: (name) => {
      if (declared.has(name)) return name;
      if (name === "sudo") return "wheel";
      const other = Object.hasOwn(renamed, name) ? (renamed[name] ?? null) : name;
      return other !== null && (known.has(other) || isNumber(other)) ? other : null;
    },
    missingUser: (name) => (people.has(name) || BASE_USERS.has(name) || isNumber(name) ? null : name),
    missingGroup: (name) => (known.has(name) || BASE_USERS.has(name) || isNumber(name) ? null : name),
  };
}

function isNumber(name: string): boolean {
  return /^[0-9]+$/.test(name);
}

/** NixOS has these on every host: nixos/modules/config/users-groups.nix. */
const BASE_GROUPS =
  "root wheel disk kmem tty floppy uucp lp cdrom tape audio video dialout nogroup users nixbld utmp adm input kvm render sgx shadow systemd-journal".split(
    " ",
  );
/** Those that services of scopes bring: whom their entries belong to. */
const BASE_USERS = new Set(["atd", "acme", "postgres", "systemd-network"]);

export function accountsPart(config: Config, plan: HostPlan, accounts: Accounts): Part {
  const lost: string[] = [];
  const users = plan.users.users.map((user): [string, NixSet] => {
    const groups = plan.users.groups.filter(({ name, members }) => name !== user.group && members.includes(user.name));
    const extraGroups = groups.flatMap(({ name }) => {
      const group = accounts.group(name);
      if (group === null) lost.push(`${user.name} is in the group ${name}, which NixOS has not`);
      return group ?? [];
    });
    const keys = keysIn(config, user);
    return [user.name, user.name === "root" ? root(user, keys) : account(config, user, extraGroups, keys, lost)];
  });
  const groups = plan.users.groups.flatMap(({ name, gid }): [string, NixSet][] =>
    gid === null ? [] : [[name, { gid }]],
  );
  const admins = plan.users.users.filter(
    ({ name }) =>
      name === "root" || plan.users.groups.some((group) => group.name === "sudo" && group.members.includes(name)),
  );
  const lockedOut = !admins.some((user) => user.hashedPasswordFile !== null || keysIn(config, user).length > 0);
  if (lockedOut)
    lost.push(
      "nobody who may become root can log in, as here: NixOS refuses that unless users.allowNoPasswordLogin is true",
    );
  return {
    options: {
      users: {
        mutableUsers: false,
        ...(lockedOut ? { allowNoPasswordLogin: true } : {}),
        users: Object.fromEntries(users),
        groups: Object.fromEntries(groups),
      },
    },
    lost,
  };
}

function keysIn(config: Config, user: UserPlan): readonly string[] {
  return config.users.users[declaredKey(config, user)]?.openssh.authorizedKeys.keys ?? [];
}

function declaredKey(config: Config, user: UserPlan): string {
  return Object.entries(config.users.users).find(([, { name }]) => name === user.name)?.[0] ?? user.name;
}

function root({ hashedPasswordFile }: UserPlan, keys: readonly string[]): NixSet {
  return { ...(hashedPasswordFile === null ? {} : { hashedPasswordFile }), ...keysOf(keys) };
}

function account(
  config: Config,
  user: UserPlan,
  extraGroups: readonly string[],
  keys: readonly string[],
  lost: string[],
): NixSet {
  const isPerson = config.users.users[declaredKey(config, user)]?.isNormalUser ?? true;
  const shell = shellOf(user, isPerson);
  if (shell === undefined)
    lost.push(
      `${user.name} has the shell ${user.shell}, which has no name on NixOS here: set users.users.${user.name}.shell there`,
    );
  return {
    ...(isPerson ? { isNormalUser: true } : { isSystemUser: true }),
    uid: user.uid,
    group: user.group,
    ...(extraGroups.length === 0 ? {} : { extraGroups }),
    ...(user.description === "" ? {} : { description: user.description }),
    home: user.home,
    ...(shell === undefined || shell === null ? {} : { shell }),
    ...(user.hashedPasswordFile === null ? {} : { hashedPasswordFile: user.hashedPasswordFile }),
    ...keysOf(keys),
  };
}

/** `null`: what NixOS gives such an account by itself. */
function shellOf({ shell }: UserPlan, isPerson: boolean): NixValue | undefined {
  const name = shell.replace(/^.*\//, "");
  if (name === "bash") return isPerson ? null : nixPackage("bashInteractive");
  if (name === "nologin" && !isPerson) return null;
  return { zsh: nixPackage("zsh"), fish: nixPackage("fish"), dash: nixPackage("dash") }[name];
}

function keysOf(keys: readonly string[]): NixSet {
  return keys.length === 0 ? {} : { openssh: { authorizedKeys: { keys } } };
}
