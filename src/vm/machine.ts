/** A running virtual machine: started, watched, spoken to, and always ended. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";
import { quoted } from "../local/process.ts";
import { temporaryFolder } from "../local/resources.ts";
import { consoleLog } from "./console.ts";
import { answersOnControl, pressPowerButton } from "./control.ts";
import { concatenatedInitrd } from "./initrd.ts";
import { type FirmwareBoot, type KernelBoot, type QemuOptions, qemuCommand } from "./qemu.ts";
import { qemuProgram } from "./qemu-program.ts";
import { freePort, type RunOnGuest, sshAccess } from "./ssh.ts";

export type MachineOptions = KernelMachine | FirmwareMachine;

export interface KernelMachine extends MachineDevices, Omit<KernelBoot, "initrd"> {
  /** Loaded one after the other, later files replacing earlier ones. */
  readonly initrds: readonly string[];
}

export interface FirmwareMachine extends MachineDevices, FirmwareBoot {}

interface MachineDevices extends Pick<QemuOptions, "platform" | "accelerator" | "disks" | "processors" | "clock"> {
  /** In MiB; by default 1024. */
  readonly memory?: number;
  /** The control socket of its TPM, see QemuOptions. */
  readonly tpm?: string;
  /** By default any free port; `null`: no network, and so no ssh. */
  readonly sshPort?: number | null;
  /** Called with each complete line of the console. */
  readonly onLine?: (line: string) => void;
}

export interface Machine extends AsyncDisposable {
  readonly pid: number;
  /** On 127.0.0.1; `null`: it has no network. */
  readonly sshPort: number | null;
  /** The private key that any user of the guest is let in with; it lasts as long as the machine. */
  readonly keyFile: string;
  /** The lines of the console so far. */
  readonly console: readonly string[];
  /**
   * The first line of the console that matches, past or future.
   * @param timeout in milliseconds
   * @throws UserError with the last lines when there is none in time, or the machine ended
   */
  readonly waitFor: (pattern: RegExp, timeout: number) => Promise<RegExpExecArray>;
  /** Types at the serial console; a line ends with `\n`. */
  readonly type: (text: string) => void;
  /**
   * Runs a command line in root's shell on the guest and returns its stdout.
   * @throws CommandError when it fails
   */
  readonly ssh: RunOnGuest;
  /**
   * Waits until `ssh` works.
   * @param timeout in milliseconds
   */
  readonly waitForSsh: (timeout: number) => Promise<void>;
  /** Pulls the plug: no process of the guest learns of it. */
  readonly powerOff: () => Promise<void>;
  /**
   * Presses the power button and waits until the guest has ended in order.
   * @param timeout in milliseconds
   * @throws UserError when it has not
   */
  readonly shutdown: (timeout: number) => Promise<void>;
  /** Resolves when the machine is off, for whatever reason. */
  readonly ended: Promise<void>;
}

/**
 * Starts a machine, which is off again at the end of the scope, or when this process ends.
 * @throws UserError when QEMU does not start
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await temporaryFolder());
  const sshPort = options.sshPort === undefined ? await freePort() : options.sshPort;
  const access = await sshAccess(folder.path, sshPort ?? 0);
  const controlSocket = join(folder.path, "control");
  const command = qemuCommand({
    program: await qemuProgram(options.platform),
    platform: options.platform,
    accelerator: options.accelerator,
    processors: options.processors ?? 1,
    disks: options.disks,
    ...(await bootOptions(options, folder.path)),
    memory: options.memory ?? 1024,
    sshPort,
    credentials: access.credentials,
    console: { kind: "stdio" },
    controlSocket,
    ...(options.tpm === undefined ? {} : { tpm: options.tpm }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const log = consoleLog(options.onLine);
  const [program, ...args] = command;
  // However this process ends, QEMU ends with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {}); // nobody is there any more to be typed to
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", log.add);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const off = new AbortController();
  child.on("error", (error) => {
    stderr += error.message;
  });
  child.on("close", () => {
    log.end();
    off.abort();
  });
  const ended = once(off.signal, "abort").then(() => {});
  const powerOff = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  starting.defer(powerOff);
  await answersOnControl(controlSocket, AbortSignal.any([interruption, off.signal]));
  interruption.throwIfAborted();
  if (off.signal.aborted) {
    throw new UserError("the virtual machine did not start", [
      `command: ${command.map(quoted).join(" ")}`,
      ...stderr.trim().split("\n"),
    ]);
  }

  const lastLines = () => [...log.lines.slice(-20), ...stderr.trim().split("\n")].filter((line) => line !== "");
  const machine: Omit<Machine, typeof Symbol.asyncDispose> = {
    pid: child.pid ?? 0,
    sshPort,
    keyFile: access.keyFile,
    console: log.lines,
    ended,
    powerOff,
    type: (text) => void child.stdin.write(text),
    ssh: access.run,
    async waitFor(pattern, timeout) {
      const match = await log.find(pattern, AbortSignal.any([interruption, AbortSignal.timeout(timeout)]));
      if (match !== null) return match;
      interruption.throwIfAborted();
      const why = !off.signal.aborted ? `in ${timeout / 1000} s` : "until the machine ended";
      throw new UserError(`the console did not show ${pattern} ${why}`, lastLines());
    },
    async waitForSsh(timeout) {
      // Held here: a combined signal that nobody listens to does not keep its sources from being collected.
      const time = AbortSignal.timeout(timeout);
      const signals = [interruption, off.signal, time];
      while (!signals.some((signal) => signal.aborted)) {
        if (await access.answers(AbortSignal.any(signals))) return;
        await sleep(200);
      }
      interruption.throwIfAborted();
      throw new UserError(`the machine did not answer to ssh in ${timeout / 1000} s`, lastLines());
    },
    async shutdown(timeout) {
      await pressPowerButton(controlSocket);
      const inTime = AbortSignal.any([interruption, AbortSignal.timeout(timeout)]);
      await Promise.race([ended, once(inTime, "abort")]);
      interruption.throwIfAborted();
      if (inTime.aborted)
        throw new UserError(`the machine was not off ${timeout / 1000} s after its power button`, lastLines());
    },
  };
  const running = starting.move();
  return { ...machine, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** What QEMU boots from. @param folder where a concatenated initrd is written */
export async function bootOptions(options: MachineOptions, folder: string): Promise<KernelBoot | FirmwareBoot> {
  if (options.firmware !== undefined) return { firmware: options.firmware };
  const { kernel, initrds, kernelParameters } = options;
  return { kernel, initrd: await concatenatedInitrd(initrds, folder), kernelParameters };
}
