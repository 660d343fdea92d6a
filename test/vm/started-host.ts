/** Boots a host, again if the emulated processor stops on the way. */
import type { Closure } from "../../src/closure/closure.ts";
import { machineOf } from "../../src/deploy/vm.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { type Machine, type MachineOptions, startMachine } from "../../src/vm/machine.ts";

/** Emulated, on a busy machine. */
const BOOT_TIME = 600_000;

/** @returns the machine when it has started whatever it starts by itself */
export async function startedHost(
  plan: HostPlan,
  closure: Closure,
  image: string,
  change: Partial<MachineOptions> = {},
): Promise<Machine> {
  const options = { ...(await machineOf(plan, closure, image)), ...change };
  let machine = await startMachine(options);
  // An emulated processor now and then stops in the kernel's first seconds, before anything of ours has run.
  for (let attempt = 1; attempt < 3; attempt++) {
    const began = await machine.waitFor(/systemd\[1\]|systemd 2\d\d/, 120_000).catch(() => null);
    if (began !== null) break;
    await machine[Symbol.asyncDispose]();
    machine = await startMachine(options);
  }
  try {
    await machine.waitForSsh(BOOT_TIME);
    await machine.ssh("systemctl is-system-running --wait || true");
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
  return machine;
}
