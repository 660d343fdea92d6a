/** Runs programs: the one place where a process is started. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { UserError } from "../errors.ts";
import { interruption, never } from "./interruption.ts";

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program when it aborts; by default that is the user's interruption. */
  readonly signal?: AbortSignal;
  /** Whether all that the program starts ends with it: a shell alone leaves what it waits for. */
  readonly group?: boolean;
  /** Called with each complete line of stdout and stderr as it appears. */
  readonly onLine?: (line: string) => void;
  /**
   * What to say to each line of its stdout: a conversation, which is no output. Several answers may be in the making; they
   * are written in order. One that fails ends the program, and is the error.
   */
  readonly answer?: (line: string) => Promise<Uint8Array>;
}

interface End {
  readonly exitCode: number | null;
  readonly endedBy: NodeJS.Signals | null;
}

/** A program ended with a failure, or by a signal. */
export class CommandError extends UserError {
  readonly exitCode: number | null;
  readonly endedBy: NodeJS.Signals | null;
  readonly stdout: string;

  constructor(argv: readonly string[], end: End, stdout: string, stderr: string) {
    const reason = end.endedBy === null ? `failed (exit ${end.exitCode})` : `was stopped by ${end.endedBy}`;
    super(`${argv[0]} ${reason}`, [`command: ${argv.map(quoted).join(" ")}`, ...lastLines(stderr, 20)]);
    this.exitCode = end.exitCode;
    this.endedBy = end.endedBy;
    this.stdout = stdout;
  }
}

/**
 * Runs a program to its end and returns its stdout.
 * @throws CommandError when it fails, with the command and the end of its stderr
 * @throws UserError when it is not installed, naming the Debian package that has it
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { signal = interruption } = options;
  for (;;) {
    try {
      return await runOnce(program, args, options, signal);
    } catch (error) {
      // What undoes is out of the terminal's reach as soon as it runs: Ctrl-C has ended it before, and it has done nothing yet.
      const reached = error instanceof CommandError && (error.endedBy === "SIGINT" || error.endedBy === "SIGHUP");
      if (signal !== never || !reached) throw error;
    }
  }
}

function runOnce(program: string, args: readonly string[], options: RunOptions, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, PATH: searchPath(), LC_ALL: "C.UTF-8", ...options.env },
      ...(options.group ? {} : { signal }),
      // What undoes is not reached by Ctrl-C on a terminal, which goes to every process that it shows.
      detached: signal === never || options.group === true,
      stdio: [options.input === undefined && options.answer === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const endGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      } catch {
        // All of it has ended meanwhile.
      }
    };
    if (options.group) signal.addEventListener("abort", endGroup);
    let unanswered: unknown = null;
    if (options.answer !== undefined && child.stdin !== null && child.stdout !== null) {
      void answerLines(child.stdout, child.stdin, options.answer, (error) => {
        unanswered = error;
        child.kill();
      });
    }
    const stdout = options.answer === undefined ? collect(child.stdout, options.onLine) : () => "";
    const stderr = collect(child.stderr, options.onLine);
    child.on("error", (error: NodeJS.ErrnoException) => {
      // It has been told to end and still runs: what it uses can be undone only when it has closed.
      if (error.name === "AbortError") return;
      reject(error.code === "ENOENT" ? missingTool(program) : error);
    });
    child.on("close", (exitCode, endedBy) => {
      signal.removeEventListener("abort", endGroup);
      if (exitCode === 0) resolve(stdout());
      else if (signal.aborted) reject(signal.reason);
      else if (unanswered !== null) reject(unanswered);
      else reject(new CommandError([program, ...args], { exitCode, endedBy }, stdout(), stderr()));
    });
    if (options.input !== undefined) {
      child.stdin?.on("error", () => {}); // it closed its stdin early: its exit code says whether that matters
      child.stdin?.end(options.input);
    }
  });
}

/** How many answers may be in the making: the program asks for as many as it likes. */
const ANSWERS = 600;

async function answerLines(
  questions: NodeJS.ReadableStream,
  answers: NodeJS.WritableStream,
  answer: (line: string) => Promise<Uint8Array>,
  onError: (error: unknown) => void,
): Promise<void> {
  answers.on("error", () => {}); // it closed its stdin early: its exit code says whether that matters
  let open = 0;
  let written = Promise.resolve();
  for await (const line of createInterface({ input: questions })) {
    const made = answer(line);
    made.catch(() => {}); // it is said when its turn comes, and others may fail before
    open += 1;
    written = written
      .then(async () => {
        if (!answers.write(await made) && answers.writable) await once(answers, "drain");
        open -= 1;
      })
      .catch(onError);
    if (open >= ANSWERS) await written;
  }
  await written;
  answers.end();
}

/** A command line as one would type it. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The system's tools live in sbin, which an ordinary user's PATH lacks on Debian. */
export function searchPath(): string {
  return `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
}

function collect(stream: NodeJS.ReadableStream | null, onLine: ((line: string) => void) | undefined): () => string {
  const chunks: string[] = [];
  let open = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    chunks.push(chunk);
    if (onLine === undefined) return;
    const lines = (open + chunk).split("\n");
    open = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  return () => chunks.join("");
}

function lastLines(text: string, count: number): string[] {
  return text.trimEnd().split("\n").slice(-count);
}

/** Which Debian package has a tool that this project calls. */
const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  blkid: "util-linux",
  btrfs: "btrfs-progs",
  cpio: "cpio",
  cryptsetup: "cryptsetup-bin",
  "dpkg-deb": "dpkg",
  findmnt: "util-linux",
  getcap: "libcap2-bin",
  getfacl: "acl",
  losetup: "mount",
  lsblk: "util-linux",
  "mkfs.btrfs": "btrfs-progs",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.vfat": "dosfstools",
  mkswap: "util-linux",
  mcopy: "mtools",
  mmdebstrap: "mmdebstrap",
  mount: "mount",
  partx: "util-linux",
  "qemu-img": "qemu-utils",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-storage-daemon": "qemu-system-common",
  setfacl: "acl",
  sfdisk: "fdisk",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  "systemd-cryptenroll": "systemd-cryptsetup",
  udevadm: "udev",
  umount: "mount",
  wipefs: "util-linux",
  zstd: "zstd",
};

function missingTool(program: string): UserError {
  const debianPackage = DEBIAN_PACKAGES[program];
  return new UserError(`${program} is not installed`, [
    debianPackage === undefined ? `put ${program} on the PATH` : `install it with: apt-get install ${debianPackage}`,
  ]);
}
