/** A command on a terminal of its own: a pseudo-terminal, which script(1) of util-linux makes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { quoted } from "../src/local/process.ts";

export interface Terminal extends AsyncDisposable {
  /** What it has shown by now, with the marks that move its cursor. */
  readonly shown: () => string;
  /** Resolves when it shows this; rejects when the command ends before. */
  readonly until: (pattern: RegExp) => Promise<void>;
  readonly type: (text: string) => void;
  /** Nobody looks at it any more: the kernel sends SIGHUP. */
  readonly close: () => Promise<void>;
  /** The exit code of the command; 128 and more as a shell says it. */
  readonly ended: Promise<number | null>;
}

export const CTRL_C = "\u0003";

export function onTerminal(
  argv: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Terminal {
  const command = `exec ${argv.map(quoted).join(" ")}`;
  const child: ChildProcess = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: { ...process.env, TERM: "xterm", SHELL: "/bin/sh", ...env },
    stdio: ["pipe", "pipe", "inherit"],
    ...(cwd === undefined ? {} : { cwd }),
  });
  child.stdin?.on("error", () => {}); // nobody is there any more to be typed to
  let shown = "";
  const changed = new EventTarget();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    changed.dispatchEvent(new Event("change"));
  });
  const ended = once(child, "close").then(([code]) => {
    changed.dispatchEvent(new Event("change"));
    return code;
  });
  const isOff = () => child.exitCode !== null || child.signalCode !== null;
  return {
    shown: () => shown,
    until: async (pattern) => {
      while (!pattern.test(shown)) {
        if (isOff()) throw new Error(`it ended (${child.exitCode}) without ${pattern}:\n${shown}`);
        await once(changed, "change");
      }
    },
    type: (text) => void child.stdin?.write(text),
    close: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    ended,
    [Symbol.asyncDispose]: async () => {
      if (!isOff()) child.kill("SIGKILL");
      await ended;
    },
  };
}
