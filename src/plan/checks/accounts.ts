/** Users who could not log in, or whose programs are missing. */
import { isWithin } from "../../paths.ts";
import type { SystemConfig } from "../../system/options.ts";
import { persistRootsOf } from "../persist-roots.ts";
import type { PlanProblem } from "../problem.ts";

/** A line of an authorized_keys file, not where it is, and never the other half. */
export function keyProblems({ users }: SystemConfig): PlanProblem[] {
  return Object.entries(users.users).flatMap(([name, { openssh }]) =>
    openssh.authorizedKeys.keys.flatMap((key): PlanProblem[] => {
      const wrong = wrongKey(key);
      if (wrong === null) return [];
      const option = ["users", "users", name, "openssh", "authorizedKeys", "keys", { element: key }];
      const [what, fix] = wrong;
      return [{ what: `users.users.${name}.openssh.authorizedKeys.keys: ${what}`, at: [], fix, option }];
    }),
  );
}

function wrongKey(key: string): readonly [what: string, fix: string] | null {
  if (key.includes("PRIVATE KEY"))
    return [
      "that is a private key, which belongs to nobody else",
      "write the line of the file that ends with .pub, and make a new pair if this one was given away",
    ];
  if (key.startsWith("#") || /(^|[\s,"])(ssh-|ecdsa-|sk-)[\w@.-]+\s+\S/.test(key)) return null;
  const shown = JSON.stringify(key.length > 40 ? `${key.slice(0, 39)}…` : key);
  if (/^[~./]|\.pub$/.test(key))
    return [
      `${shown} is the name of a file, not a key`,
      key.startsWith("~")
        ? "write what is in it"
        : `write what is in it, or readFileSync(${JSON.stringify(key)}, "utf8") of node:fs`,
    ];
  return [
    `${shown} is no public key`,
    'write a line such as "ssh-ed25519 AAAA… alice@laptop", as in ~/.ssh/id_ed25519.pub',
  ];
}

/** The host reads the file at every boot, so it must survive one. */
export function passwordFileProblems(config: SystemConfig): PlanProblem[] {
  const { impermanence } = config.nixfleet;
  const files = Object.entries(config.users.users).filter(([, { hashedPasswordFile }]) => hashedPasswordFile !== null);
  if (!impermanence.enable || files.length === 0) return [];
  const roots = persistRootsOf(config).map(({ path }) => path);
  const kept = [
    ...new Set([impermanence.persistRoot, ...roots]),
    ...Object.values(config.disko.devices.disk).flatMap(mountpointsOf),
    ...Object.values(config.environment.persistence).flatMap(({ directories, files }) => [
      ...directories.map(({ directory }) => directory),
      ...files.map(({ file }) => file),
    ]),
  ];
  return files.flatMap(([name, { hashedPasswordFile: file }]): PlanProblem[] => {
    if (file === null || kept.some((path) => path !== "/" && isWithin(file, path))) return [];
    return [
      {
        what: `users.users.${name}.hashedPasswordFile: ${file} is on the root, which every boot replaces, so nobody could log in with it`,
        at: [],
        fix: `put it on a persist root, such as ${impermanence.persistRoot}/passwords/${name}`,
        option: ["users", "users", name, "hashedPasswordFile"],
      },
    ];
  });
}

type Disk = SystemConfig["disko"]["devices"]["disk"][string];

/** All mountpoints of a disk, at any depth. */
function mountpointsOf(disk: Disk): string[] {
  const found: string[] = [];
  JSON.stringify(disk, (key, value) => {
    if (key === "mountpoint" && typeof value === "string") found.push(value);
    return value;
  });
  return found;
}

export function shellProblems({ users, environment }: SystemConfig): PlanProblem[] {
  const packages = new Set(environment.systemPackages);
  return Object.entries(users.users).flatMap(([name, { shell }]): PlanProblem[] => {
    const [, program = ""] = /^(?:\/usr)?\/s?bin\/([^/]+)$/.exec(shell) ?? [];
    const bringers = SHELLS.get(program);
    if (bringers === undefined || bringers.some((one) => packages.has(one))) return [];
    const scope = ["zsh", "fish"].includes(program) ? `enable programs.${program}, or ` : "";
    return [
      {
        what: `users.users.${name}.shell: no package of this host brings ${shell}, so ${name} could not log in`,
        at: [],
        fix: `${scope}add "${bringers[0]}" to environment.systemPackages`,
        option: ["users", "users", name, "shell"],
      },
    ];
  });
}

/** Shells that are in no host by themselves, with the packages that bring each. */
const SHELLS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    zsh: ["zsh"],
    fish: ["fish"],
    ksh: ["ksh93u+m", "ksh", "mksh"],
    ksh93: ["ksh93u+m", "ksh"],
    mksh: ["mksh"],
    tcsh: ["tcsh"],
    csh: ["tcsh", "csh"],
    yash: ["yash"],
    elvish: ["elvish"],
    xonsh: ["xonsh"],
    rc: ["rc"],
    tmux: ["tmux"],
    screen: ["screen"],
    "git-shell": ["git"],
    busybox: ["busybox", "busybox-static"],
  }),
);
