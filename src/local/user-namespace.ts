/**
 * A program as root of a user namespace of its own: there an ordinary user has all the ids that Debian's packages use. See
 * user_namespaces(7), subuid(5), newuidmap(1).
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { interruption } from "./interruption.ts";
import { run, searchPath } from "./process.ts";
import { isRoot } from "./root.ts";

/** Beside 0, which is the user: Debian's packages use ids up to 65535. */
const IDS = 65_535;

/** Reads a file of this machine; `null` where there is none. */
type Read = (file: string) => string | null;

/** What this user would need for it and has not, each with what to do about it. None: `runInUserNamespace` works. */
export function namespaceLacks(
  user: { readonly uid: number; readonly username: string } = userInfo(),
  read: Read = readIfThere,
  isInstalled: (program: string) => boolean = isOnPath,
): readonly string[] {
  const { uid, username } = user;
  const setting = (file: string) => read(`/proc/sys/${file}`)?.trim();
  return [
    ...(["newuidmap", "newgidmap"].every(isInstalled) ? [] : ["newuidmap is not installed: apt-get install uidmap"]),
    ...["subuid", "subgid"].flatMap((name) => {
      const text = read(`/etc/${name}`) ?? "";
      if (firstId(text, username, uid) !== null) return [];
      const free = Math.max(100_000, ...ranges(text).map(({ first, count }) => first + count));
      return [
        `/etc/${name} gives ${username} no ${IDS} ids: usermod --add-${name}s ${free}-${free + IDS - 1} ${username}`,
      ];
    }),
    ...(setting("kernel/unprivileged_userns_clone") === "0"
      ? ["the kernel gives ordinary users no user namespace: sysctl kernel.unprivileged_userns_clone=1"]
      : []),
    ...(setting("kernel/apparmor_restrict_unprivileged_userns") === "1"
      ? ["AppArmor takes all rights in them away: sysctl kernel.apparmor_restrict_unprivileged_userns=0"]
      : []),
    ...(setting("user/max_user_namespaces") === "0"
      ? ["the kernel makes no user namespaces: sysctl user.max_user_namespaces=10000"]
      : []),
  ];
}

/**
 * @param toDo in or outside of such a namespace
 * @throws UserError unless this is root, with what an ordinary user lacks to be that in a namespace
 */
export function requireSomeRoot(toDo: string, reason: string): void {
  if (isRoot()) return;
  const lacks = namespaceLacks();
  throw new UserError(
    `only root can ${toDo}`,
    lacks.length === 0
      ? [reason, "run the command again with sudo; without it, only with a cache of your own: set NIXFLEET_CACHE"]
      : [reason, "run the command again with sudo; to do without, mend what is missing:", ...lacks],
  );
}

/**
 * Runs a program there, with this process's stdin and stdout, and returns its exit code. Whatever ends this process ends it.
 * @throws UserError where the kernel refuses it all the same
 */
export async function runInUserNamespace(argv: readonly string[]): Promise<number> {
  const { uid, gid, username } = userInfo();
  const mapping = (own: number, file: string) =>
    ["0", own, "1", "1", firstId(readIfThere(file) ?? "", username, uid) ?? "", IDS].map(String);
  // It says when it is there, waits until its ids are mapped, which makes what it starts root, and says when that can mount /proc.
  const mounts = "unshare --mount --propagation slave --pid --fork --mount-proc -- true";
  const script = `echo >&3 && read -r _ <&3 && ${mounts} && echo >&3 && exec setpriv --pdeathsig KILL -- "$@" 3>&-`;
  const child = spawn("unshare", ["--user", "--", "sh", "-c", script, "sh", ...argv], {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
  });
  // Ctrl-C reaches both.
  const end = () => void child.kill("SIGTERM");
  interruption.addEventListener("abort", end);
  const ended = once(child, "exit");
  const talk = child.stdio[3];
  if (!(talk instanceof Socket)) throw new Error("no pipe to the namespace");
  const says = () => Promise.race([once(talk, "data").then(() => true), ended.then(() => false)]);
  if (!(await says())) throw new UserError("this user gets no user namespace", ["see above, and user_namespaces(7)"]);
  try {
    await run("newuidmap", [String(child.pid), ...mapping(uid, "/etc/subuid")]);
    await run("newgidmap", [String(child.pid), ...mapping(gid, "/etc/subgid")]);
    const works = says();
    talk.write("\n");
    if (!(await works)) throw new UserError("this user's namespace cannot mount /proc", NO_PROC);
  } catch (error) {
    end();
    throw error;
  }
  const [code] = await ended;
  return typeof code === "number" ? code : 1;
}

const NO_PROC = [
  "the kernel refuses it where something is mounted over a part of /proc, as containers do to hide it",
  "run the command again as root, or outside of the container",
];

/** Of the first range in a subuid(5) that is long enough; `null`: there is none. */
function firstId(text: string, username: string, uid: number): number | null {
  const own = ranges(text).filter(({ owner }) => owner === username || owner === `${uid}`);
  return own.find(({ count }) => count >= IDS)?.first ?? null;
}

function ranges(text: string) {
  const lines = [...text.matchAll(/^([^:\n]+):(\d+):(\d+)$/gm)];
  return lines.map(([, owner = "", first, count]) => ({ owner, first: Number(first), count: Number(count) }));
}

function isOnPath(program: string): boolean {
  return searchPath()
    .split(":")
    .some((folder) => existsSync(join(folder, program)));
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
