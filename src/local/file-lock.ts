/** A lock between processes: flock(2) on a file, which the kernel releases when this process ends in whatever way. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, open, readFile, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { interruption } from "./interruption.ts";
import { privateFolder } from "./resources.ts";

/**
 * Holds the exclusive lock of a file, which is made if it is not there, until the end of the scope.
 * A child process holds it (flock(1), of util-linux, an essential package of Debian) for as long as its stdin is open.
 * @param path whoever can open the file can hold its lock: so nobody else gets into its folder from now on
 * @param held what is done when another process holds it: it is waited for, after this is called with what holds it; or
 *   this is thrown
 * @throws UserError when the file cannot be made, or the user interrupts the wait
 */
export async function fileLock(
  path: string,
  held: ((holder: string) => void) | UserError = () => {},
): Promise<AsyncDisposable> {
  await makePrivate(path);
  const wait = held instanceof UserError ? ["--nonblock", "--conflict-exit-code", String(HELD)] : [];
  // Detached, so that Ctrl-C in a terminal does not reach it: the lock is to hold until everything is undone.
  const holder = spawn("flock", ["--exclusive", "--no-fork", ...wait, path, "cat"], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let reason = "";
  holder.stderr.setEncoding("utf8").on("data", (text: string) => {
    reason += text;
  });
  holder.stdin.on("error", () => {}); // it ended first: its exit says why
  const release = async (): Promise<void> => {
    const ended = once(holder, "close");
    holder.stdin.end();
    if (holder.exitCode === null && holder.signalCode === null) await ended;
  };

  const tellHolder = async () => (held instanceof UserError ? undefined : held(await lockHolder(path)));
  const waiting = setTimeout(() => void tellHolder(), 300);
  const stop = (): void => void holder.kill();
  interruption.addEventListener("abort", stop);
  try {
    holder.stdin.write("held\n");
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("error", reject);
      holder.once("close", (code) => {
        if (interruption.aborted) reject(interruption.reason);
        else reject(code === HELD ? held : new UserError(`cannot lock ${path}`, [reason.trim()]));
      });
    });
  } finally {
    clearTimeout(waiting);
    interruption.removeEventListener("abort", stop);
  }
  await writeFile(path, `${process.pid}\n`).catch(() => {}); // for messages only
  return { [Symbol.asyncDispose]: release };
}

/**
 * Holds the lock of a file beside others who hold it so, until this process ends, in whatever way. While another holds it
 * for itself alone, that is waited for.
 * @throws UserError when the file cannot be made
 */
export async function sharedLock(path: string): Promise<void> {
  await makePrivate(path);
  const holder = spawn("flock", ["--shared", "--no-fork", path, "cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  holder.stdin.on("error", () => {});
  holder.stdin.write("held\n");
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once("data", () => resolve());
    holder.once("error", reject);
    holder.once("close", () => reject(new UserError(`cannot lock ${path}`)));
  });
  // Its stdin closes with this process, which does not wait for it.
  holder.unref();
  for (const stream of [holder.stdin, holder.stdout]) if (stream instanceof Socket) stream.unref();
}

/** EX_TEMPFAIL of sysexits.h(3head): nothing else that flock(1) ends with. */
const HELD = 75;

async function makePrivate(path: string): Promise<void> {
  try {
    await privateFolder(dirname(path));
    await (await open(path, "a", 0o600)).close();
    await chmod(path, 0o600);
  } catch (error) {
    throw new UserError(`cannot lock ${path}`, [error instanceof Error ? error.message : String(error)]);
  }
}

/** `process 123 (node nixfleet build)`, which wrote its number into the file when it got the lock. */
async function lockHolder(path: string): Promise<string> {
  const pid = (await readFile(path, "utf8").catch(() => "")).trim();
  if (!/^\d+$/.test(pid)) return `what holds ${path}`;
  const line = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
  const words = line
    .replaceAll("\0", " ")
    .replace(/[^ -~]/g, "")
    .trim()
    .slice(0, 200);
  return `process ${pid}${words === "" ? "" : ` (${words})`}, which holds ${path}`;
}
