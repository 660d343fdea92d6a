/** Runs programs: the one place where a process is started. */
import { spawn } from "node:child_process";
import { UserError } from "../modules/errors.ts";
import { interruption } from "./interruption.ts";

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the program when it aborts; by default that is the user's interruption. */
  readonly signal?: AbortSignal;
  /** Called with each complete line of stdout and stderr as it appears. */
  readonly onLine?: (line: string) => void;
}

/** A program ended with a failure, or by a signal. */
export class CommandError extends UserError {
  readonly exitCode: number | null;
  readonly stdout: string;

  constructor(argv: readonly string[], exitCode: number | null, reason: string, stdout: string, stderr: string) {
    super(`${argv[0]} ${reason}`, [`command: ${argv.map(quoted).join(" ")}`, ...lastLines(stderr, 20)]);
    this.exitCode = exitCode;
    this.stdout = stdout;
  }
}

/**
 * Runs a program to its end and returns its stdout.
 * @throws CommandError when it fails, with the command and the end of its stderr
 * @throws UserError when it is not installed, naming the Debian package that has it
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const signal = options.signal ?? interruption;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, PATH: searchPath(), LC_ALL: "C.UTF-8", ...options.env },
      signal,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const stdout = collect(child.stdout, options.onLine);
    const stderr = collect(child.stderr, options.onLine);
    child.on("error", (error: NodeJS.ErrnoException) => {
      // It has been told to end and still runs: what it uses can be undone only when it has closed.
      if (error.name === "AbortError") return;
      reject(error.code === "ENOENT" ? missingTool(program) : error);
    });
    child.on("close", (code, endedBy) => {
      if (code === 0) resolve(stdout());
      else if (signal.aborted) reject(signal.reason);
      else
        reject(
          new CommandError(
            [program, ...args],
            code,
            endedBy ? `was ended by ${endedBy}` : `failed (exit ${code})`,
            stdout(),
            stderr(),
          ),
        );
    });
    if (options.input !== undefined) {
      child.stdin?.on("error", () => {}); // it closed its stdin early: its exit code says whether that matters
      child.stdin?.end(options.input);
    }
  });
}

/** A command line as one would type it. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** The system's tools live in sbin, which an ordinary user's PATH lacks on Debian. */
function searchPath(): string {
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
  sfdisk: "fdisk",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  "systemd-cryptenroll": "systemd-cryptsetup",
  udevadm: "udev",
  umount: "mount",
  wipefs: "util-linux",
};

function missingTool(program: string): UserError {
  const debianPackage = DEBIAN_PACKAGES[program];
  return new UserError(`${program} is not installed`, [
    debianPackage === undefined ? `put ${program} on the PATH` : `install it with: apt-get install ${debianPackage}`,
  ]);
}
