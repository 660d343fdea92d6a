/** A control plane as a host runs it: a process of its own, on the first core alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CERTIFICATE_FILE } from "../../src/control/state-folder.ts";
import type { At } from "../../test/control/agents.ts";

const PROGRAM = join(import.meta.dirname, "..", "..", "src", "cli", "host-control-plane.ts");
export const FIRST_KEY = "first-key";

export interface PinnedPlane extends AsyncDisposable {
  readonly at: At;
  /** The most memory that it had at once, in MiB. */
  memory(): Promise<number>;
  /** CPU time so far, in seconds. */
  cpu(): Promise<number>;
  /** As a power cut ends it. */
  kill(): Promise<void>;
}

/** @param port 0: any free one */
export async function pinnedPlane(folder: string, port = 0): Promise<PinnedPlane> {
  const args = ["control-plane", "--state", folder, "--listen", `127.0.0.1:${port}`, "--name", "127.0.0.1"];
  const command = ["--cpu-list", "0", process.execPath, PROGRAM, ...args, "--first-key-file", join(folder, FIRST_KEY)];
  const child = spawn("taskset", command, { stdio: ["ignore", "pipe", "inherit"] });
  const listens = await portOf(child);
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  return {
    at: { url: `https://127.0.0.1:${listens}`, authority: await readFile(join(folder, CERTIFICATE_FILE), "utf8") },
    memory: async () => {
      const [, kilobytes = ""] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${child.pid}/status`, "utf8")) ?? [];
      return Number(kilobytes) / 1024;
    },
    cpu: async () => {
      const fields = (await readFile(`/proc/${child.pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
      return (Number(fields[11]) + Number(fields[12])) / 100; // proc_pid_stat(5): utime and stime, in clock ticks
    },
    kill: () => kill("SIGKILL"),
    [Symbol.asyncDispose]: () => kill("SIGTERM"),
  };
}

async function portOf(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<number> {
  for await (const line of createInterface({ input: child.stdout })) {
    const [, port] = /^listens at .*:(\d+);/.exec(line) ?? [];
    if (port !== undefined) return Number(port);
  }
  throw new Error("the control plane has ended before it listened");
}
