/** When a machine of the tests is up, and how it is reached from here. */
import type { Machine } from "../../src/vm/machine.ts";

/** Resolves when the machine has started whatever it starts by itself. @param timeout until it answers, in milliseconds */
export function comesUp(timeout: number) {
  return async (machine: Machine): Promise<void> => {
    await machine.waitForSsh(timeout);
    await machine.ssh("systemctl is-system-running --wait || true");
  };
}

/** For the environment of a `nixfleet` that is to reach it as root@127.0.0.1. */
export function reachedBySsh({ sshPort, keyFile }: Machine): { readonly NIXFLEET_SSHOPTS: string } {
  return {
    NIXFLEET_SSHOPTS: [
      `-F none -p ${sshPort} -i ${keyFile} -o IdentitiesOnly=yes -o LogLevel=ERROR`,
      "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    ].join(" "),
  };
}
