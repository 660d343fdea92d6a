/** A machine that has come up. */
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "../local/interruption.ts";
import { type Machine, type MachineOptions, startMachine } from "./machine.ts";

/**
 * Starts a machine and waits for it. An emulated processor now and then stops in the kernel's first seconds: such a
 * machine is started again, twice at most. Nothing of the guest's own has run by then, so its disks are as they were.
 * @param until resolves when the machine is where it should be, and rejects when it did not get there
 * @param silence that long without a line of the kernel, in milliseconds, is taken for the end
 * @throws what `until` threw the last time
 */
export async function bootMachine(
  options: MachineOptions,
  until: (machine: Machine) => Promise<unknown>,
  silence = 90_000,
): Promise<Machine> {
  for (let attempt = 1; ; attempt++) {
    const machine = await startMachine(options);
    const watched = new AbortController();
    if (options.accelerator === "tcg") void endWhenStuck(machine, silence, watched.signal);
    try {
      await until(machine);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      const again = options.accelerator === "tcg" && attempt < ATTEMPTS && diedInKernel(machine.console);
      if (interruption.aborted || !again) throw error;
    } finally {
      watched.abort();
    }
  }
}

const ATTEMPTS = 3;

async function endWhenStuck(machine: Machine, silence: number, watched: AbortSignal): Promise<void> {
  for (let before = -1; ; ) {
    const seen = machine.console.length;
    if (seen === before && diedInKernel(machine.console)) return machine.powerOff();
    before = seen;
    await sleep(silence, null, { signal: watched, ref: false }).catch(() => {});
    if (watched.aborted) return;
  }
}

/** Whether the last that is to be seen is the kernel's: it has begun, perhaps once more, and its first process has not. */
function diedInKernel(console: readonly string[]): boolean {
  const began = console.findLastIndex((line) => /Linux version/.test(line));
  return began !== -1 && !console.slice(began).some((line) => /systemd(\[1\]| \d)/.test(line));
}
