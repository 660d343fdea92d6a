/** Paths that cannot be persisted, each with the reason. */
import type { Problem } from "../errors.ts";
import { isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import type { Declared, Saying } from "./declared-entries.ts";
import { persistRootsOf } from "./persist-roots.ts";

/** What is wrong with each entry by itself. */
export function entryProblems(entries: readonly Declared[], config: SystemConfig): Problem[] {
  const forbidden: readonly Forbidden[] = [
    ...FORBIDDEN,
    ...persistRootsOf(config).map(({ path }) => [path, "it survives anyway: it is a persist root"] as const),
  ];
  const known = accountsOf(config);
  return entries.flatMap((entry) => {
    const wrong = pathProblem(entry.path, forbidden) ?? unknownOwner(entry, known) ?? unknownOwner(entry.parent, known);
    if (wrong === undefined) return [];
    const [reason, fix] = wrong;
    const path = /\p{Cc}/u.test(entry.path) ? JSON.stringify(entry.path) : entry.path;
    return [{ what: `${path} cannot be persisted: ${reason}`, at: entry.declaredAt, fix }];
  });
}

type Wrong = readonly [reason: string, fix: string];

function pathProblem(path: string, forbidden: readonly Forbidden[]): Wrong | undefined {
  // Neither tmpfiles.d(5) nor a list with a line an entry can say these.
  if (/\p{Cc}/u.test(path)) return ["a path cannot hold a newline or another control character", "remove it"];
  if (!path.startsWith("/")) return ["it wants an absolute path", `write /${path}, or put it under \`users.<name>\``];
  if (path.split("/").includes("..")) return ["`..` is not allowed", "write the path that is meant"];
  if (path === "/")
    return ["it is the root itself", "for a root that stays, write nixfleet.impermanence.enable: false"];
  const folder = forbidden.find(([one]) => isWithin(path, one));
  return folder === undefined ? undefined : [`nothing below ${folder[0]} can be: ${folder[1]}`, "remove the entry"];
}

interface Accounts {
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

function accountsOf({ users }: SystemConfig): Accounts {
  const declared = Object.values(users.users);
  return {
    users: new Set(["root", ...declared.map(({ name }) => name), ...users.packageUsers]),
    groups: new Set([
      ...Object.keys(users.groups),
      ...declared.map(({ group }) => group),
      ...users.packageGroups,
      ...users.packageUsers,
    ]),
  };
}

/** Of entries as of their `parent`. */
function unknownOwner({ user, group }: Saying, { users, groups }: Accounts): Wrong | undefined {
  if (user !== null && !users.has(user) && !isId(user))
    return [
      `the host has no user ${user}`,
      `declare users.users.${user}, or, if a package brings it, add it to users.packageUsers`,
    ];
  if (group !== null && !groups.has(group) && !isId(group))
    return [
      `the host has no group ${group}`,
      `declare users.groups.${group}, or, if a package brings it, add it to users.packageGroups`,
    ];
  return undefined;
}

function isId(owner: string): boolean {
  return /^\d+$/.test(owner);
}

type Forbidden = readonly [folder: string, reason: string];

/** Folders in which a persisted path would break the host, each with the reason. */
const FORBIDDEN: readonly Forbidden[] = [
  ["/proc", "it is the kernel's"],
  ["/sys", "it is the kernel's"],
  ["/dev", "it is the kernel's"],
  ["/run", "it is recreated at every boot by design"],
  ["/tmp", "what is there is temporary by design; persist a folder elsewhere"],
  ["/nix", "it survives anyway: it is a subvolume of its own"],
  ["/usr", "it comes with the closure, read-only"],
  ["/bin", "it comes with the closure, read-only"],
  ["/sbin", "it comes with the closure, read-only"],
  ["/lib", "it comes with the closure, read-only"],
  ["/lib64", "it comes with the closure, read-only"],
  ["/boot", "it survives anyway: it is a filesystem of its own"],
];
