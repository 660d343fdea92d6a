/** Paths that cannot be persisted, each with the reason. */
import { isAbsolutePath } from "../modules/types.ts";
import type { SystemConfig } from "../system/options.ts";
import type { Declared } from "./declared-entries.ts";

/** What is wrong with one entry, each as one text. */
export function problemsOf(entry: Declared, config: SystemConfig): string[] {
  const at = `${/\p{Cc}/u.test(entry.path) ? JSON.stringify(entry.path) : entry.path}: `;
  const declared = ` (declared at ${entry.declaredAt.join(", ")})`;
  const say = (text: string) => [`${at}${text}${declared}`];
  // Neither tmpfiles.d(5) nor a list with a line an entry can say these.
  if (/\p{Cc}/u.test(entry.path)) return say("a path cannot hold a newline or another control character");
  if (!entry.path.startsWith("/"))
    return say(`wants an absolute path; write /${entry.path}, or put it under \`users.<name>\``);
  if (entry.path.split("/").includes("..")) return say("`..` is not allowed; write the path that is meant");
  if (!isAbsolutePath(entry.path)) return say("wants a path without `.`, `//` and a final `/`");
  if (entry.path === "/")
    return say("the root itself cannot be persisted; that is what nixfleet.impermanence.enable = false is for");
  for (const [folder, reason] of [
    ...FORBIDDEN,
    ...persistRoots(config).map((root) => [root, "it survives anyway: it is a persist root"] as const),
  ]) {
    if (isWithin(entry.path, folder)) return say(`nothing below ${folder} can be persisted: ${reason}`);
  }
  const stranger = unknownOwner(entry, config);
  if (stranger !== undefined) return say(stranger);
  const managed = managedFiles(config).find((file) => isWithin(file, entry.path));
  if (managed !== undefined) return say(`it would hide ${managed}, which the declaration manages`);
  return [];
}

function unknownOwner({ user, group }: Declared, { users }: SystemConfig): string | undefined {
  const userNames = new Set([...Object.values(users.users).map(({ name }) => name), ...users.packageUsers]);
  if (!userNames.has(user) && !isId(user))
    return `the host has no user ${user}; declare users.users.${user}, or, if a package brings it, add it to users.packageUsers`;
  const groupNames = new Set([
    ...Object.keys(users.groups),
    ...Object.values(users.users).map((declared) => declared.group),
    ...users.packageGroups,
    ...users.packageUsers,
  ]);
  if (!groupNames.has(group) && !isId(group))
    return `the host has no group ${group}; declare users.groups.${group}, or, if a package brings it, add it to users.packageGroups`;
  return undefined;
}

function isId(owner: string): boolean {
  return /^\d+$/.test(owner);
}

/** Folders in which a persisted path would break the host, each with the reason. */
const FORBIDDEN: readonly (readonly [string, string])[] = [
  ["/proc", "it is the kernel's"],
  ["/sys", "it is the kernel's"],
  ["/dev", "it is the kernel's"],
  ["/run", "it is made anew by every boot, by intent"],
  ["/tmp", "what is there is temporary, by intent; persist a folder elsewhere"],
  ["/nix", "it survives anyway: it is a subvolume of its own"],
  ["/usr", "it comes with the closure, read-only"],
  ["/bin", "it comes with the closure, read-only"],
  ["/sbin", "it comes with the closure, read-only"],
  ["/lib", "it comes with the closure, read-only"],
  ["/lib64", "it comes with the closure, read-only"],
  ["/boot", "it survives anyway: it is a filesystem of its own"],
];

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function persistRoots(config: SystemConfig): string[] {
  return [...new Set([...Object.keys(config.environment.persistence), ...Object.keys(config.home.persistence)])];
}

function managedFiles(config: SystemConfig): string[] {
  const etc = Object.entries(config.environment.etc).filter(([, file]) => file.enable);
  return [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/hostname",
    "/etc/systemd/system",
    "/var/lib/dpkg",
    ...etc.map(([name]) => `/etc/${name}`),
  ];
}
