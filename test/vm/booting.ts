/** When a machine of the tests is up. */
import type { Machine } from "../../src/vm/machine.ts";

/** Resolves when the machine has started whatever it starts by itself. @param timeout until it answers, in milliseconds */
export function comesUp(timeout: number) {
  return async (machine: Machine): Promise<void> => {
    await machine.waitForSsh(timeout);
    await machine.ssh("systemctl is-system-running --wait || true");
  };
}
